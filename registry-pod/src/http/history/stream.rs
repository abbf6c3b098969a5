//! The change feed as Server-Sent Events: the answer of the polled feed, each time there is one.
//!
//! An event is what `GET /devices/changes` answers, a bounded part of it at a time. Its id says
//! where the client then stands, so that one that connects again misses nothing and hears nothing
//! twice. Nothing is queued for a client: what changed while it was slow is read when it takes the
//! next event, each device once.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use futures::{Stream, stream};
use tokio::sync::watch;

use super::DeviceChangesResponse;
use crate::history::feed::{self, Cursor, Feed};
use crate::registry::Registry;

/// What a client that connects again says it heard last.
const LAST_EVENT_ID: &str = "last-event-id";
/// Devices in one event: some 250 KiB, all that is in memory for a client.
const DEVICES: usize = 200;
/// How long a client waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);
/// Where a client stands: what it heard last, else what it asks for.
fn cursor(headers: &HeaderMap, since_version: u64) -> Cursor {
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let Some(id) = last.filter(|id| !id.is_empty()) else { return Cursor::at(since_version) };
    let (version, epoch) = id.split_once('@').unwrap_or((id, ""));
    match (version.parse(), epoch) {
        (Ok(version), "") => Cursor::at(version),
        (Ok(version), epoch) => Cursor::within(version, epoch),
        // Not ours: of an epoch that there never was.
        (Err(_), _) => Cursor::within(0, id),
    }
}

/// One client that listens, in the metrics.
struct Listener;

impl Listener {
    fn new() -> Self {
        metrics::gauge!("registry_change_listeners").increment(1.0);
        Self
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        metrics::gauge!("registry_change_listeners").decrement(1.0);
    }
}

/// What a stream needs from one event to the next.
struct State {
    registry: Arc<Registry>,
    cursor: Cursor,
    journal: watch::Receiver<u64>,
    index: watch::Receiver<u64>,
    /// What was sent last.
    sent: Option<Feed>,
    _listener: Listener,
}

/// The events for a client, until it leaves or the service stops.
pub(super) fn events(registry: Arc<Registry>, headers: &HeaderMap, since: u64) -> Response {
    let state = State {
        cursor: cursor(headers, since),
        journal: registry.journal.revision(),
        index: registry.revision(),
        registry,
        sent: None,
        _listener: Listener::new(),
    };
    service::http::events::answer(all(state))
}

fn all(state: State) -> impl Stream<Item = Event> {
    stream::unfold(state, |mut state| async move {
        let stopping = state.registry.stopping.clone();
        let event = tokio::select! {
            () = stopping.cancelled() => return None,
            event = state.next() => event,
        };
        Some((event, state))
    })
}

impl State {
    /// The next event. The first comes at once and says where the feed stands.
    async fn next(&mut self) -> Event {
        loop {
            self.journal.mark_unchanged();
            self.index.mark_unchanged();
            let feed = feed::read(&self.registry, &mut self.cursor, DEVICES).await;
            let is_news = !feed.devices.is_empty() || feed.reset_occurred;
            let is_first = self.sent.is_none();
            if is_first || is_news && self.sent.as_ref() != Some(&feed) {
                let id = format!("{}@{}", feed.current_version, feed.service_epoch);
                self.sent = Some(feed.clone());
                let answer = DeviceChangesResponse::new(&self.registry, feed);
                let event = Event::default().id(id);
                let event = if is_first { event.retry(RETRY) } else { event };
                // Plain data that we made ourselves: it has a form in JSON.
                return event.json_data(answer).unwrap_or_default();
            }
            self.more(feed.is_settled).await;
        }
    }

    /// Waits until there may be more to tell.
    async fn more(&mut self, is_settled: bool) {
        let more = tokio::select! {
            changed = self.journal.changed() => changed,
            changed = self.index.changed(), if !is_settled => changed,
        };
        if more.is_err() {
            // The history is not written any more: the service stops.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn what_was_heard_last_wins_over_what_is_asked_for() {
        let last = |id| cursor(&headers("last-event-id", id), 3);
        assert_eq!(last("12@17.5"), Cursor::within(12, "17.5"));
        assert_eq!(last("12"), Cursor::at(12));
        assert_eq!(last("nonsense"), Cursor::within(0, "nonsense"));
        assert_eq!(last(""), Cursor::at(3));
        assert_eq!(cursor(&HeaderMap::new(), 3), Cursor::at(3));
    }
}
