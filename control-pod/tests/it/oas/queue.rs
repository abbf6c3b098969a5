//! Whether the queue server lets devices be moved (contract §9).

use std::net::SocketAddr;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use control_pod::{OasSettings, Settings};
use serde_json::{Value, json};

use super::{ask, is_error, is_value};
use crate::socket::Socket;
use crate::support::{Control, oas_settings, settings};

/// A queue server that says this, to those who have the key.
async fn queue_server(status: StatusCode, says: Value) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = move |headers: HeaderMap| async move {
        assert_eq!(headers["authorization"], "Apikey test");
        (status, Json(says))
    };
    let router = Router::new().route("/api/status", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

async fn control(queue: Option<SocketAddr>, strict: bool, gate_sockets: bool) -> Control {
    let oas = OasSettings {
        queue_host: queue.map(|addr| addr.ip().to_string()),
        queue_port: Some(queue.map_or(1, |addr| addr.port())),
        require_qserver: strict,
        gate_sockets,
        ..oas_settings()
    };
    let control = Control::start(Settings { oas, ..settings() }).await;
    control.pvs.add("IOC:m1", 2.5);
    control.signal("m1", "IOC:m1").await;
    control
}

async fn set_both(control: &Control) -> [(u16, Value); 2] {
    let device = json!({"device": "m1", "set_value": 3});
    let pv = json!({"pv": "IOC:m1", "set_value": 3});
    [
        ask(control, "PUT", "/api/v1/devices", Some(device)).await,
        ask(control, "PUT", "/api/v1/pvs", Some(pv)).await,
    ]
}

#[tokio::test]
async fn nothing_is_put_while_a_plan_runs_or_may() {
    for (status, error) in [
        (
            json!({"manager_state": "executing_queue", "running_item_uid": "u"}),
            "Device operation blocked - Queue server is currently running an experiment",
        ),
        (
            json!({"manager_state": "paused", "running_item_uid": null}),
            "Device operation blocked - Queue server state is 'paused'",
        ),
        (
            json!({"manager_state": "executing_task", "running_item_uid": null}),
            "Device operation blocked - Queue server state is 'executing_task'",
        ),
    ] {
        let queue = queue_server(StatusCode::OK, status.clone()).await;
        let control = control(Some(queue), false, false).await;
        for (code, body) in set_both(&control).await {
            assert_eq!((code, &body["detail"]["error"]), (423, &json!(error)), "{body}");
        }
        assert!(control.pvs.add("IOC:m1", 2.5).writes().is_empty());
        let (code, told) = ask(&control, "GET", "/api/v1/queue-server/status", None).await;
        assert_eq!((code, told), (200, status));
    }
}

#[tokio::test]
async fn an_idle_queue_server_lets_devices_be_moved() {
    let idle = json!({"manager_state": "idle", "running_item_uid": null});
    let queue = queue_server(StatusCode::OK, idle).await;
    let control = control(Some(queue), true, true).await;
    for (code, body) in set_both(&control).await {
        assert_eq!(code, 200, "{body}");
    }
}

#[tokio::test]
async fn a_queue_server_that_is_not_there_forbids_only_where_one_is_required() {
    let permissive = control(None, false, true).await;
    for (code, body) in set_both(&permissive).await {
        assert_eq!(code, 200, "{body}");
    }
    let strict = control(None, true, false).await;
    for (code, body) in set_both(&strict).await {
        let text = "Could not connect to queue server at http://localhost:1: Connection refused";
        assert_eq!((code, body), (503, json!({ "detail": text })));
    }
    let (code, _) = ask(&strict, "GET", "/api/v1/queue-server/status", None).await;
    assert_eq!(code, 503);
}

#[tokio::test]
async fn a_queue_server_that_does_not_let_us_ask_always_forbids() {
    for (status, code, text) in [
        (
            StatusCode::UNAUTHORIZED,
            401,
            "Authentication failed - check QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY",
        ),
        (
            StatusCode::FORBIDDEN,
            403,
            "Access forbidden - API key may not have sufficient permissions",
        ),
        (StatusCode::IM_A_TEAPOT, 418, "Queue server returned status 418: null"),
    ] {
        let queue = queue_server(status, Value::Null).await;
        let control = control(Some(queue), false, false).await;
        for answer in set_both(&control).await {
            assert_eq!(answer, (code, json!({ "detail": text })));
        }
    }
}

#[tokio::test]
async fn sets_over_sockets_are_gated_where_that_is_wanted() {
    let running = json!({"manager_state": "executing_queue", "running_item_uid": "u"});
    let queue = queue_server(StatusCode::OK, running).await;
    for (gated, path, key, name) in [
        (false, "pv-socket", "pv", "IOC:m1"),
        (true, "pv-socket", "pv", "IOC:m1"),
        (true, "device-socket", "device", "m1"),
    ] {
        let control = control(Some(queue), false, gated).await;
        let mut socket = Socket::open_oas(&control, &format!("/api/v1/{path}")).await;
        socket.send(json!({"action": "subscribe", key: name})).await;
        socket.until(is_value).await;
        socket.send(json!({"action": "set", key: name, "value": 3})).await;
        let answer = socket.until(|frame| is_error(frame) || is_value(frame)).await.pop().unwrap();
        if gated {
            assert_eq!(
                answer,
                json!({
                    "error": format!("Could not set value of {name} to 3: Device operation blocked - Queue \
                        server is currently running an experiment"),
                    "reason": "queue_busy",
                })
            );
        } else {
            assert_eq!(answer["value"], 3);
        }
    }
}
