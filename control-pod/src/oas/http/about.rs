//! What this service is, where its sockets are, and how the queue server is (contract §2.1, §2.2,
//! §2.8).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use service::ApiError;

use crate::oas::Oas;

/// What the sockets of commands understand.
const ACTIONS: [&str; 6] =
    ["subscribe", "unsubscribe", "refresh", "subscribeSafely", "subscribeReadOnly", "set"];

/// A socket that this API serves.
struct SocketAbout {
    name: &'static str,
    path: &'static str,
    description: &'static str,
    /// One more member of its description.
    more: Option<More>,
}

/// A key and its value.
type More = (&'static str, fn() -> Value);

const SOCKETS: [SocketAbout; 6] = [
    SocketAbout {
        name: "pv_socket",
        path: "/api/v1/pv-socket",
        description: "Real-time EPICS PV control and monitoring",
        more: Some(("example_messages", examples)),
    },
    SocketAbout {
        name: "device_socket",
        path: "/api/v1/device-socket",
        description: "Real-time ophyd device control and monitoring",
        more: None,
    },
    SocketAbout {
        name: "camera_socket",
        path: "/api/v1/camera-socket",
        description: "Live image streaming from EPICS area detectors",
        more: Some(IMAGES),
    },
    SocketAbout {
        name: "camera_socket_shared",
        path: "/api/v1/camera-socket-shared",
        description: "The same for many viewers, of less quality",
        more: Some(IMAGES),
    },
    SocketAbout {
        name: "tiff_socket",
        path: "/api/v1/tiff-socket",
        description: "Live image streaming of a detector by its prefix",
        more: Some(IMAGES),
    },
    SocketAbout {
        name: "qs_console_socket",
        path: "/api/v1/qs-console-socket",
        description: "Queue server console output",
        more: Some(("protocol", || json!("ZMQ bridge to WebSocket"))),
    },
];

const IMAGES: More = ("format", || json!("One picture in each binary frame"));

fn examples() -> Value {
    json!({
        "subscribe_example": { "action": "subscribe", "pv": "IOC:m1" },
        "set_example": { "action": "set", "pv": "IOC:m1", "value": 10, "timeout": 1 },
    })
}

/// Host and port as the client knows them.
fn host(oas: &Oas, headers: &HeaderMap) -> String {
    let given = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    given.map_or_else(|| format!("localhost:{}", oas.gateway.settings.oas.port), str::to_owned)
}

/// What there is.
#[utoipa::path(get, path = "/", tag = "Root", responses((status = 200)))]
pub(crate) async fn read_root(State(oas): State<Arc<Oas>>, headers: HeaderMap) -> Json<Value> {
    let host = host(&oas, &headers);
    let sockets: Map<String, Value> = SOCKETS
        .iter()
        .map(|socket| (socket.name.to_owned(), format!("ws://{host}{}", socket.path).into()))
        .collect();
    Json(json!({
        "message": "Ophyd WebSocket Server",
        "version": "1.0.0",
        "api_docs": format!("http://{host}/docs"),
        "websocket_info": format!("http://{host}/api/v1/websockets"),
        "endpoints": {
            "websockets": sockets,
            "rest_api": {
                "devices": format!("http://{host}/api/v1/devices"),
                "websocket_info": format!("http://{host}/api/v1/websockets"),
                "docs": format!("http://{host}/docs"),
                "openapi": format!("http://{host}/openapi.json"),
            },
        },
        "description": "PVs and devices over REST and WebSockets, and the console of the queue server.",
    }))
}

/// The sockets, with examples.
#[utoipa::path(get, path = "/api/v1/websockets", tag = "WebSocket Info", responses((status = 200)))]
pub(crate) async fn list_websockets(
    State(oas): State<Arc<Oas>>,
    headers: HeaderMap,
) -> Json<Value> {
    let host = host(&oas, &headers);
    let sockets: Map<String, Value> = SOCKETS
        .iter()
        .map(|socket| {
            let mut about = Map::new();
            about.insert("endpoint".into(), socket.path.into());
            about.insert("description".into(), socket.description.into());
            about.insert("example_url".into(), format!("ws://{host}{}", socket.path).into());
            if matches!(socket.name, "pv_socket" | "device_socket") {
                about.insert("actions".into(), json!(ACTIONS));
            }
            if let Some((key, value)) = socket.more {
                about.insert(key.into(), value());
            }
            (socket.name.to_owned(), about.into())
        })
        .collect();
    Json(json!({
        "websockets": sockets,
        "connection_info": {
            "protocol": "WebSocket",
            "base_url": format!("ws://{host}"),
            "test_tools": [
                format!("Browser console (new WebSocket('ws://{host}/api/v1/pv-socket'))"),
                "wscat (npm install -g wscat)",
                "python -m websockets",
            ],
        },
    }))
}

/// What the queue server says of itself.
#[utoipa::path(get, path = "/api/v1/queue-server/status", tag = "Queue Server", responses((status = 200)))]
pub(crate) async fn get_queue_server_status_endpoint(
    State(oas): State<Arc<Oas>>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(oas.queue.status().await?))
}
