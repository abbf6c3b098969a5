//! Several writes of one thing over one socket: the newest counts.
//!
//! Clients stop a motion by sending the thing to where it is now, so a write must not wait for the
//! one before. That one is given up: if it has not been sent it never will be, so that writes never
//! overtake each other, and its client is told.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The writes of one socket that are under way.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<HashMap<String, CancellationToken>>);

/// One write that is under way.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    writes: &'a Writes,
    name: String,
    given_up: CancellationToken,
    /// Whether another one was under way.
    pub(crate) supersedes: bool,
}

impl Writes {
    /// A write of `name` begins; the one before it is given up.
    pub(crate) fn begin(&self, name: &str) -> Write<'_> {
        let given_up = CancellationToken::new();
        let before = self.0.lock().insert(name.to_owned(), given_up.clone());
        if let Some(before) = &before {
            before.cancel();
        }
        Write { writes: self, name: name.to_owned(), given_up, supersedes: before.is_some() }
    }
}

impl Write<'_> {
    /// Performs the write; nothing when a newer one came before its end.
    pub(crate) async fn unless_superseded<T>(&self, write: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.given_up.cancelled() => None,
            outcome = write => Some(outcome),
        }
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        // Whoever was given up has a successor in its place.
        if !self.given_up.is_cancelled() {
            self.writes.0.lock().remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_newest_write_ends_the_one_before_and_leaves_nothing_behind() {
        let writes = Writes::default();
        let first = writes.begin("m1");
        assert!(!first.supersedes);
        let second = writes.begin("m1");
        assert!(second.supersedes);
        assert_eq!(first.unless_superseded(pending::<()>()).await, None);
        drop(first);
        assert_eq!(second.unless_superseded(ready(3)).await, Some(3));
        drop(second);
        assert!(writes.0.lock().is_empty());
        assert!(!writes.begin("m1").supersedes);
    }
}
