//! The service itself: health, figures, and its port; contract §2.6.

use control_pod::Settings;
use serde_json::{Value, json};

use super::keys;
use crate::support::{Control, settings};

#[tokio::test]
async fn health_and_stats_have_the_fields_of_the_contract() {
    let control = Control::start(settings()).await;
    let (status, body) = control.get("/health").await;
    assert_eq!((status, &body["status"]), (200, &json!("healthy")));
    assert_eq!(
        keys(&body),
        [
            "status",
            "timestamp",
            "coordination_service_available",
            "coordination_service_detail",
            "registry_backend",
            "read_only",
            "active_subscriptions",
            "connected_pvs",
            "websocket_connections"
        ]
    );
    let (_, stats) = control.get("/api/v1/stats").await;
    assert_eq!(stats["service"], "direct_control");
    assert_eq!(stats["command_timeout"], 20.0);
    assert_eq!(stats["device_socket"]["subscribed_devices"], 0);
    assert_eq!(control.get("/api/v1/pvs/connected").await, (200, json!([])));
    assert_eq!(control.get("/api/v1/devices").await, (404, json!({"detail": "Not Found"})));
    let (status, openapi) = control.get("/openapi.json").await;
    assert_eq!(status, 200);
    let published: Value = serde_json::from_str(include_str!("published_paths.json")).unwrap();
    for (path, methods) in published.as_object().unwrap() {
        for method in methods.as_array().unwrap() {
            assert!(
                openapi["paths"][path][method.as_str().unwrap()].is_object(),
                "{method} {path}"
            );
        }
    }
    assert_eq!(control.get_raw("/metrics", None).await.status(), 200);
    assert_eq!(control.get_raw("/docs", None).await.status(), 200);
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let control = Control::start(settings()).await;
    let taken = Settings { port: control.addr.port(), ..settings() };
    let error = control_pod::Server::bind(taken).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("direct control cannot listen on {}: address already in use", control.addr)
    );
}
