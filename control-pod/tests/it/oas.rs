//! The API of ophyd-websocket over real sockets (contract `ophyd-websocket`).

mod cameras;
mod console;
mod device_socket;
mod finch;
mod motor;
mod pv_socket;
mod queue;
mod rest;

use serde_json::{Value, json};

use crate::socket::Socket;
use crate::support::Control;

/// A request to this API; status and body.
pub(crate) async fn ask(
    control: &Control,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let url = format!("http://{}{path}", control.oas.unwrap());
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

/// A pv-socket that follows `IOC:m1`, and has been told of it.
async fn following_m1(control: &Control) -> Socket {
    let mut socket = Socket::open_oas(control, "/api/v1/pv-socket").await;
    socket.send(json!({"action": "subscribe", "pv": "IOC:m1"})).await;
    socket.until(is_value).await;
    socket
}

fn is_value(frame: &Value) -> bool {
    frame.get("value").is_some() && frame.get("sub_type").is_none()
}

fn is_meta(frame: &Value) -> bool {
    frame["sub_type"] == "meta"
}

fn is_error(frame: &Value) -> bool {
    frame.get("error").is_some()
}

fn keys(frame: &Value) -> Vec<&str> {
    frame.as_object().unwrap().keys().map(String::as_str).collect()
}
