//! What one socket of commands is subscribed to: the same for PVs and for devices (contract §4.4,
//! §5.2).

use std::sync::Arc;

use futures::future::join_all;
use serde_json::Value;

use crate::monitors::Monitor;
use crate::oas::CONNECT;
use crate::oas::command::names;
use crate::oas::frames::{self, Summary};
use crate::socket::actions::Action;
use crate::socket::command::{Manner, Received};
use crate::socket::following::{Followed, Following};
use crate::socket::lanes::Keys;
use crate::socket::outbox::Outbox;

/// How often something may fail to connect for `subscribeSafely`.
const ATTEMPTS: usize = 2;

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// PVs.
    Pvs,
    /// Devices and their components.
    Devices,
}

impl What {
    /// Its word in a sentence.
    fn noun(self) -> &'static str {
        match self {
            Self::Pvs => "PV",
            Self::Devices => "device",
        }
    }

    /// Its key in a command and in a summary.
    fn key(self) -> &'static str {
        match self {
            Self::Pvs => "pv",
            Self::Devices => "device",
        }
    }

    /// The names in a command.
    pub(crate) fn names(self, received: &Received) -> Vec<Result<String, Value>> {
        let many: &[&str] = match self {
            Self::Pvs => &["pvs", "pv_names"],
            Self::Devices => &["devices"],
        };
        names(received, self.key(), many)
    }
}

/// The subscriptions of one socket.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    what: What,
    outbox: Arc<Outbox>,
    /// What is followed by each name.
    pub(crate) following: Following,
}

impl Subscriptions {
    /// None yet.
    pub(crate) fn new(what: What, outbox: Arc<Outbox>, following: Following) -> Self {
        Self { what, outbox, following }
    }

    /// What a command to subscribe, to unsubscribe or to refresh concerns; any other concerns nothing here.
    pub(crate) fn keys(&self, received: &Received) -> Keys {
        match Action::of(received, true) {
            Ok(Action::Subscribe(_) | Action::Unsubscribe) => {
                let names: Vec<String> = self.what.names(received).into_iter().flatten().collect();
                Keys::of(self.what.key(), &names)
            }
            Ok(Action::Refresh) => Keys::All(self.what.key()),
            Ok(Action::Set | Action::Stop | Action::Ping) | Err(_) => Keys::none(),
        }
    }

    /// Tells the client what is wrong.
    pub(crate) fn error(&self, text: impl Into<String>) {
        self.outbox.push(frames::error(text));
    }

    fn names(&self, received: &Received) -> Option<Vec<Result<String, Value>>> {
        let names = self.what.names(received);
        if names.is_empty() {
            self.error(format!("No {} name(s) specified", self.what.noun()));
            return None;
        }
        Some(names)
    }

    /// Follows what `admit` makes of each name, or fails with its reason. The summary comes first;
    /// it waits for nothing unless only what is connected is wanted.
    pub(crate) async fn subscribe(
        &self,
        received: &Received,
        manner: Manner,
        admit: impl Fn(&str) -> Result<Vec<Followed>, String>,
    ) {
        let Some(names) = self.names(received) else { return };
        let mut summary = Summary::default();
        let mut new: Vec<(String, Vec<Followed>)> = Vec::new();
        for name in names {
            match name {
                Err(other) => {
                    let reason = format!("a {} name is a text", self.what.noun());
                    summary.failed.push((other, reason));
                }
                Ok(name) if self.following.contains(&name) || new.iter().any(|it| it.0 == name) => {
                    summary.already.push(name);
                }
                Ok(name) => match admit(&name).and_then(|all| self.reserve(&name, all)) {
                    Ok(followed) => new.push((name, followed)),
                    Err(reason) => summary.failed.push((name.into(), reason)),
                },
            }
        }
        let alive = match manner {
            Manner::Safely => join_all(new.iter().map(|(_, all)| all_connected(all))).await,
            Manner::Plain | Manner::ReadOnly => vec![Ok(()); new.len()],
        };
        let mut live = Vec::new();
        for ((name, followed), alive) in new.into_iter().zip(alive) {
            match alive {
                Ok(()) => live.push((name, followed)),
                Err(reason) => {
                    self.following.release(&name);
                    summary.failed.push((name.into(), reason));
                }
            }
        }
        summary.subscribed = live.iter().map(|(name, _)| name.clone()).collect();
        self.outbox.push(summary.frame(self.what.key()));
        for (name, followed) in live {
            self.following.start(&name, followed);
        }
        // Somebody who asks again has not seen what was sent to whoever asked first.
        summary.already.iter().for_each(|name| {
            self.following.refresh(name, true);
        });
    }

    fn reserve(&self, name: &str, all: Vec<Followed>) -> Result<Vec<Followed>, String> {
        let room = self.following.reserve([(name, all.len())]);
        room.map(|()| all).map_err(|_| self.following.full())
    }

    /// Follows the names no longer.
    pub(crate) fn unsubscribe(&self, received: &Received) {
        let Some(names) = self.names(received) else { return };
        let (ended, unknown): (Vec<_>, Vec<_>) =
            names.into_iter().flatten().partition(|name| self.following.end(name));
        self.outbox.push(frames::unsubscribed(&ended, &unknown));
    }

    /// The latest of everything, then the answer.
    pub(crate) fn refresh(&self) {
        for name in self.following.names() {
            self.following.refresh(&name, true);
        }
        self.outbox.push(frames::ack(format!("Refreshed all {}s", self.what.noun())));
    }
}

/// Waits for all of them at the same time.
async fn all_connected(followed: &[Followed]) -> Result<(), String> {
    let waits = join_all(followed.iter().map(|followed| connected(&followed.monitor)));
    waits.await.into_iter().collect()
}

/// Waits for the PV, as often as upstream tries.
async fn connected(monitor: &Monitor) -> Result<(), String> {
    for _ in 0..ATTEMPTS {
        if monitor.connected(CONNECT).await.is_ok() {
            return Ok(());
        }
    }
    Err(format!("Failed to connect to {} within {:.2} sec", monitor.pv(), CONNECT.as_secs_f64()))
}
