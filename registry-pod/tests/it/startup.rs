//! A registry that is started before its API.

use reqwest::StatusCode;

use crate::faults::Line;
use crate::lab::{Another, Lab, mock};

#[tokio::test]
async fn it_waits_for_the_api_and_says_so() {
    let lab = Lab::with(mock()).await;
    let line = Line::new();
    line.cut(true);
    let Another { base, shutdown, server } = lab.another_on(line.to(lab.api())).await;
    assert_eq!(lab.get_from(&base, "/livez").await.status, StatusCode::OK);
    lab.get_from(&base, "/ready")
        .await
        .is(503, r#"{"status":"not_ready","reason":"registry not loaded"}"#);
    lab.get_from(&base, "/api/v1/devices")
        .await
        .is(503, r#"{"detail":"Configuration not loaded"}"#);

    line.cut(false);
    lab.until(async || lab.get_from(&base, "/ready").await.status == StatusCode::OK).await;
    lab.get_from(&base, "/api/v1/devices").await.is(200, r#"["cam1","det1","sample_x"]"#);
    shutdown.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn it_can_be_stopped_while_it_waits() {
    let lab = Lab::with(mock()).await;
    let line = Line::new();
    line.cut(true);
    let another = lab.another_on(line.to(lab.api())).await;
    another.shutdown.cancel();
    another.server.await.unwrap().unwrap();
}
