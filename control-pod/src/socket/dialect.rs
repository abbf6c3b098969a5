//! In whose words a PV is told. The one place that knows both APIs: a monitor serialises each
//! sample once for each dialect that somebody listens in.

use axum::extract::ws::Message;

use crate::monitors::heard::Heard;
use crate::{oas, socket::frames};

/// Whose words a frame uses, and what it calls the thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Direct control's own.
    Direct(frames::Words),
    /// Those of ophyd-websocket.
    Oas(oas::frames::Words),
}

impl Dialect {
    /// The frame with the value, where the dialect tells it; an error in its place when it would be
    /// longer than `limit` bytes.
    pub(crate) fn update(&self, pv: &str, heard: &Heard, limit: usize) -> Option<Message> {
        match self {
            Self::Direct(words) => Some(frames::update(words, pv, &heard.sample, limit)),
            Self::Oas(words) => oas::frames::update(words, pv, heard, limit),
        }
    }

    /// The frame with units, limits, labels and access.
    pub(crate) fn meta(&self, pv: &str, heard: &Heard) -> Option<Message> {
        match self {
            Self::Direct(words) => Some(frames::meta(words, pv, &heard.sample)),
            Self::Oas(words) => oas::frames::meta(words, pv, heard),
        }
    }

    /// Whether the metadata has to be told again.
    pub(crate) fn meta_due(&self, before: Option<&Heard>, now: &Heard) -> bool {
        match self {
            Self::Direct(_) => frames::meta_due(before.map(|heard| &*heard.sample), &now.sample),
            Self::Oas(_) => oas::frames::meta_due(before, now),
        }
    }

    /// Whether metadata comes before the value that it belongs to, and after every older value.
    pub(crate) fn meta_leads(&self) -> bool {
        matches!(self, Self::Oas(_))
    }

    /// What is told of a PV for which nobody answers.
    pub(crate) fn silence(&self, pv: &str) -> Option<Message> {
        match self {
            Self::Direct(_) => None,
            Self::Oas(words) => oas::frames::silence(words, pv),
        }
    }
}
