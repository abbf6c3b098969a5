//! A registry that is started before its API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use reqwest::StatusCode;

use crate::lab::{Another, Lab, mock};

async fn away(State(away): State<Arc<AtomicBool>>, request: Request, next: Next) -> Response {
    if away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

#[tokio::test]
async fn it_waits_for_the_api_and_says_so() {
    let lab = Lab::with(mock()).await;
    let is_away = Arc::new(AtomicBool::new(true));
    let api = lab.api().layer(from_fn_with_state(Arc::clone(&is_away), away));
    let Another { base, shutdown, server } = lab.another_on(api).await;
    assert_eq!(lab.get_from(&base, "/livez").await.status, StatusCode::OK);
    lab.get_from(&base, "/ready")
        .await
        .is(503, r#"{"status":"not_ready","reason":"registry not loaded"}"#);
    lab.get_from(&base, "/api/v1/devices")
        .await
        .is(503, r#"{"detail":"Configuration not loaded"}"#);

    is_away.store(false, Ordering::SeqCst);
    lab.until(async || lab.get_from(&base, "/ready").await.status == StatusCode::OK).await;
    lab.get_from(&base, "/api/v1/devices").await.is(200, r#"["cam1","det1","sample_x"]"#);
    shutdown.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn it_can_be_stopped_while_it_waits() {
    let lab = Lab::with(mock()).await;
    let api = lab.api().layer(from_fn_with_state(Arc::new(AtomicBool::new(true)), away));
    let another = lab.another_on(api).await;
    another.shutdown.cancel();
    another.server.await.unwrap().unwrap();
}
