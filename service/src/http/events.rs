//! Server-Sent Events: who asks for them, and how they are answered.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;

/// The media type that asks for a stream.
const EVENT_STREAM: &str = "text/event-stream";
/// A comment is sent after so long without an event, to keep proxies from closing the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Tells nginx not to hold events back.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Whether the client asks for a stream.
pub fn are_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|one| one.to_str().ok());
    accepted.flat_map(|one| one.split(',')).any(|one| {
        let media_type = one.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(EVENT_STREAM)
    })
}

/// The events, as they come.
pub fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = futures::StreamExt::map(events, Ok::<_, Infallible>);
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("alive");
    ([UNBUFFERED], Sse::new(events).keep_alive(heartbeat)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_for_those_who_accept_one() {
        let headers = |accept: &'static str| {
            [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect()
        };
        for accept in ["text/event-stream", "application/json, Text/Event-Stream;q=0.5"] {
            assert!(are_wanted(&headers(accept)), "{accept}");
        }
        for accept in ["*/*", "application/json", "text/html"] {
            assert!(!are_wanted(&headers(accept)), "{accept}");
        }
        assert!(!are_wanted(&HeaderMap::new()));
    }
}
