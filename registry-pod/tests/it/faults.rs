//! What a real API does not do on demand: it goes away, answers late, or is there for so many writes only.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use reqwest::{Method, StatusCode};
use tokio::sync::watch;

/// The line between one registry and its API.
#[derive(Debug)]
pub(crate) struct Line {
    /// Writes that still pass.
    writes: AtomicUsize,
    /// A write did not pass.
    refused: AtomicBool,
    history_fails: AtomicBool,
    /// Writes of the lock table that came this far.
    table_writes: watch::Sender<usize>,
    /// They are done, and who asked is told that they failed.
    is_mute: AtomicBool,
    /// They come no further for now.
    is_stalled: watch::Sender<bool>,
    is_cut: watch::Sender<bool>,
    /// The kind whose changes are not told, by its plural.
    held: watch::Sender<Option<&'static str>>,
}

impl Line {
    /// A line on which everything passes.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            writes: AtomicUsize::new(usize::MAX),
            refused: AtomicBool::new(false),
            history_fails: AtomicBool::new(false),
            table_writes: watch::Sender::new(0),
            is_mute: AtomicBool::new(false),
            is_stalled: watch::Sender::new(false),
            is_cut: watch::Sender::new(false),
            held: watch::Sender::new(None),
        })
    }

    /// The API at the other end of this line.
    pub(crate) fn to(self: &Arc<Self>, api: Router) -> Router {
        api.layer(from_fn_with_state(Arc::clone(self), pass))
    }

    /// The line is cut before the write after the next `writes`.
    pub(crate) fn cut_behind(&self, writes: usize) {
        self.writes.store(writes, SeqCst);
    }

    /// Whether a write did not pass.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.load(SeqCst)
    }

    /// From now on nothing passes, and who listens hears no more; or everything passes again.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }

    /// Everything passes again.
    pub(crate) fn restore(&self) {
        self.cut_behind(usize::MAX);
        self.cut(false);
    }

    /// From now on ConfigMaps cannot be written, or can again.
    pub(crate) fn history_fails(&self, fails: bool) {
        self.history_fails.store(fails, SeqCst);
    }

    /// How often the lock table was written, or was about to be.
    pub(crate) fn table_writes(&self) -> usize {
        *self.table_writes.borrow()
    }

    /// From now on the lock table is not written; or what waits is written, and all else.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.is_stalled.send_replace(is_stalled);
    }

    /// From now on the lock table is written, and the answer says that it failed; or the truth again.
    pub(crate) fn mute(&self, is_mute: bool) {
        self.is_mute.store(is_mute, SeqCst);
    }

    /// Waits until the lock table was written so often, or was about to be.
    pub(crate) async fn until_written(&self, times: usize) {
        self.table_writes.subscribe().wait_for(|writes| *writes >= times).await.unwrap();
    }

    /// From now on nothing is told about changes of this kind. With `None` what was withheld is.
    pub(crate) fn hold(&self, plural: Option<&'static str>) {
        self.held.send_replace(plural);
    }
}

async fn pass(State(line): State<Arc<Line>>, request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let (is_watch, is_dry) = (query.contains("watch="), query.contains("dryRun"));
    let is_write = request.method() != Method::GET && !is_dry;
    let path = request.uri().path().to_owned();
    if is_write && line.writes.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
        line.refused.store(true, SeqCst);
        line.cut(true);
    }
    if *line.is_cut.borrow() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if is_write && path.contains("/configmaps") && line.history_fails.load(SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let is_of_locks = is_write && path.contains("/devicelocks");
    if is_of_locks {
        line.table_writes.send_modify(|writes| *writes += 1);
        line.is_stalled.subscribe().wait_for(|is_stalled| !is_stalled).await.ok();
    }
    let response = next.run(request).await;
    if is_of_locks && line.is_mute.load(SeqCst) {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    if is_watch { response.map(|body| told(&line, path, body)) } else { response }
}

/// The events of a watch, as far as the line lets them pass.
fn told(line: &Line, path: String, events: Body) -> Body {
    let (mut is_cut, held) = (line.is_cut.subscribe(), line.held.subscribe());
    let gated = events.into_data_stream().then(move |event| {
        let (mut held, path) = (held.clone(), path.clone());
        async move {
            let is_free = |held: &Option<&str>| held.is_none_or(|kind| !path.ends_with(kind));
            held.wait_for(is_free).await.ok();
            event
        }
    });
    let cut = async move { drop(is_cut.wait_for(|is_cut| *is_cut).await) };
    Body::from_stream(gated.take_until(Box::pin(cut)))
}
