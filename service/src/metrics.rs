//! The process's one Prometheus recorder, and the metrics of every HTTP request.
//!
//! Several services may share a process, hence one recorder for all: each metric carries the
//! label `service`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Counter, Histogram, Unit, describe_counter, describe_gauge, describe_histogram};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::Instant;
use tracing::Instrument;

/// Upper bounds of the duration buckets, in seconds: from an answer out of memory to a slow put.
const DURATION_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// Upper bounds of the buckets of sizes, which count things: metrics whose name ends in `_size`.
const SIZE_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 1024.0];
/// How often old histogram samples are folded away while nobody scrapes.
const UPKEEP_PERIOD: Duration = Duration::from_secs(10);

/// The recorder could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The bucket list is not valid.
    #[error("invalid metrics settings")]
    Settings(#[source] metrics_exporter_prometheus::BuildError),
}

/// Installs the recorder of this process; later calls do nothing.
///
/// # Errors
/// When the built-in settings are refused. A recorder that something else installed before is
/// left in place, and `/metrics` then shows nothing of it.
pub fn install() -> Result<(), MetricsError> {
    if handle().get().is_some() {
        return Ok(());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets(&DURATION_BUCKETS)
        .and_then(|builder| {
            let sizes = Matcher::Suffix("_size".to_owned());
            builder.set_buckets_for_metric(sizes, &SIZE_BUCKETS)
        })
        .map_err(MetricsError::Settings)?
        .build_recorder();
    let installed = recorder.handle();
    if ::metrics::set_global_recorder(recorder).is_ok() {
        handle().get_or_init(|| installed);
    }
    Ok(())
}

fn handle() -> &'static OnceLock<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    &HANDLE
}

/// Tells the recorder of this process what this crate measures, in words.
pub fn describe() {
    describe_counter!(
        "http_requests_total",
        Unit::Count,
        "HTTP requests, by `service`, `method`, `route` (its template; `none` for no route) and `status`."
    );
    describe_histogram!(
        "http_request_duration_seconds",
        Unit::Seconds,
        "How long the answers to HTTP requests took, by `service`, `method` and `route`."
    );
    crate::access::describe();
    describe_gauge!("lease_held", "1 while this process holds the `lease`, else 0.");
    describe_gauge!(
        "lease_epoch",
        "Number of the term in which this process got the `lease` last: higher each time that it changes hands."
    );
    describe_counter!(
        "lease_acquired_total",
        Unit::Count,
        "How often this process got the `lease`."
    );
}

/// Everything measured so far, in the Prometheus text format.
pub fn render() -> String {
    handle().get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Keeps the recorder's memory bounded. Runs until dropped.
pub(crate) async fn upkeep() {
    loop {
        tokio::time::sleep(UPKEEP_PERIOD).await;
        if let Some(handle) = handle().get() {
            handle.run_upkeep();
        }
    }
}

/// Counts and times a request under the route's template, so that labels stay bounded.
pub(crate) async fn observe(
    State(service): State<&'static str>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method_label(request.method());
    // Without the query, where a key may stand.
    let span = tracing::debug_span!("request", service, method, path = request.uri().path());
    let start = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let took = start.elapsed();
    let status = response.status();
    tracing::debug!(parent: &span, status = status.as_u16(), ?took, "answered");
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let handles = handles(service, method, route, status);
    handles.answers.increment(1);
    handles.duration.record(took.as_secs_f64());
    response
}

/// What is counted of one route, method and status.
#[derive(Clone)]
struct Handles {
    answers: Counter,
    duration: Histogram,
}

thread_local! {
    /// By route: to find a metric by its labels takes a good part of the time of an answer from memory.
    static KNOWN: RefCell<HashMap<String, Vec<(Labels, Handles)>>> = RefCell::default();
}

/// What tells metrics of one route apart: service, method and status.
type Labels = (&'static str, &'static str, StatusCode);

fn handles(
    service: &'static str,
    method: &'static str,
    route: &str,
    status: StatusCode,
) -> Handles {
    let labels = (service, method, status);
    KNOWN.with_borrow_mut(|known| {
        if let Some(of_route) = known.get(route)
            && let Some((_, handles)) = of_route.iter().find(|(other, _)| *other == labels)
        {
            return handles.clone();
        }
        let answers = ::metrics::counter!(
            "http_requests_total", "service" => service, "method" => method,
            "route" => route.to_owned(), "status" => status.as_str().to_owned(),
        );
        let duration = ::metrics::histogram!(
            "http_request_duration_seconds", "service" => service, "method" => method,
            "route" => route.to_owned(),
        );
        let handles = Handles { answers, duration };
        known.entry(route.to_owned()).or_default().push((labels, handles.clone()));
        handles
    })
}

fn method_label(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}
