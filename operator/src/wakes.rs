//! Who is to be looked at again: each once, however often it was asked for.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// A set of those who are to be looked at, bounded by how many there are.
#[derive(Debug)]
pub(crate) struct Wakes<T> {
    pending: Mutex<HashSet<T>>,
    bell: Notify,
}

impl<T> Default for Wakes<T> {
    fn default() -> Self {
        Self { pending: Mutex::default(), bell: Notify::new() }
    }
}

impl<T: Eq + Hash + Send + 'static> Wakes<T> {
    /// Adds `all` to those who are to be looked at.
    pub(crate) fn wake(&self, all: impl IntoIterator<Item = T>) {
        let mut pending = self.pending.lock();
        pending.extend(all);
        if !pending.is_empty() {
            self.bell.notify_one();
        }
    }

    /// Those who are to be looked at: at once, and further ones no sooner than `pause` after that.
    pub(crate) fn stream(
        self: &Arc<Self>,
        pause: Duration,
    ) -> impl Stream<Item = T> + Send + use<T> {
        let start = (Arc::clone(self), Instant::now());
        let rounds = stream::unfold(start, move |(wakes, next)| async move {
            sleep_until(next).await;
            wakes.bell.notified().await;
            let round = std::mem::take(&mut *wakes.pending.lock());
            Some((stream::iter(round), (wakes, Instant::now() + pause)))
        });
        rounds.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_is_looked_at_once_however_often_it_was_asked_for() {
        let wakes = Arc::new(Wakes::default());
        let mut stream = std::pin::pin!(wakes.stream(Duration::ZERO));
        wakes.wake(["a", "a"]);
        assert_eq!(stream.next().await, Some("a"));
        wakes.wake(["b"]);
        wakes.wake(["b"]);
        wakes.wake([]);
        assert_eq!(stream.next().await, Some("b"));
        wakes.wake(["c"]);
        assert_eq!(stream.next().await, Some("c"), "one was looked at twice");
    }
}
