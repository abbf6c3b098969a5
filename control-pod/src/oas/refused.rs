//! A `set` that is not tried, in the words of this API.

use axum::extract::ws::Message;

use crate::audit::Ending;
use crate::oas::frames;

/// Why a `set` is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    text: String,
    reason: &'static str,
    /// Whether the client is told the reason as a word too.
    is_word_told: bool,
}

impl Refused {
    /// For `reason`, of which the client is told in a sentence.
    pub(crate) fn because(reason: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), reason, is_word_told: false }
    }

    /// The same, and the client is told the word.
    pub(crate) fn with_word(reason: &'static str, text: impl Into<String>) -> Self {
        Self { is_word_told: true, ..Self::because(reason, text) }
    }

    /// What the client is told.
    pub(crate) fn frame(&self) -> Message {
        if self.is_word_told {
            frames::refused(&self.text, self.reason)
        } else {
            frames::error(self.text.as_str())
        }
    }
}

impl From<&Refused> for Ending {
    fn from(refused: &Refused) -> Self {
        Self::refused(refused.reason, &refused.text)
    }
}
