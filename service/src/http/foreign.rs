//! Refuses what browsers send for web pages of others, before anything else looks at it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::ApiError;
use crate::access::{Attempts, FOR_KEYS, Foreign, Pages, note_foreign, subject};

struct Door {
    service: &'static str,
    pages: Pages,
    /// Refusals of late: what goes beyond is counted and leaves no line in the log.
    refused: Attempts<IpAddr>,
}

/// The same router for those pages only, and for everybody who is no browser. Others are answered 403, with the reason.
///
/// [`finish`](super::finish) does it; this is for what does not go through it.
pub fn refuse_foreign(service: &'static str, pages: Pages, router: Router) -> Router {
    let door = Arc::new(Door { service, pages, refused: Attempts::new(FOR_KEYS) });
    router.layer(from_fn_with_state(door, check))
}

async fn check(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    match door.pages.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(foreign) => door.refuse(&request, &foreign),
    }
}

impl Door {
    fn refuse(&self, request: &Request, foreign: &Foreign) -> Response {
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip());
        let worth_a_line =
            from.is_none_or(|from| self.refused.failed(&subject(from), Instant::now()));
        let asked = (request.method().as_str(), request.uri().path());
        note_foreign(self.service, asked, from, foreign, worth_a_line);
        ApiError::forbidden(foreign.to_string()).into_response()
    }
}
