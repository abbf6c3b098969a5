//! Direct control with an API key.

use control_pod::Settings;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::socket::Socket;
use crate::support::{Control, settings};

const KEY: &str = "APIKEYFORTESTS";

async fn with_key() -> Control {
    Control::start(Settings { api_key: Some(KEY.into()), ..settings() }).await
}

/// Asks for every operation of an API without a key; how many were refused.
async fn refused(base: &str, open: &[&str]) -> usize {
    let http = Client::new();
    let interface: Value =
        http.get(format!("{base}/openapi.json")).send().await.unwrap().json().await.unwrap();
    let mut refused = 0;
    for (path, item) in interface["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = http.request(method.clone(), format!("{base}{path}")).json(&json!({}));
            let status = request.send().await.unwrap().status();
            let is_open = open.contains(&path.as_str());
            assert_eq!(status == StatusCode::UNAUTHORIZED, !is_open, "{method} {path}: {status}");
            refused += usize::from(!is_open);
        }
    }
    refused
}

#[tokio::test]
async fn with_a_key_every_operation_of_both_apis_needs_it_and_probes_do_not() {
    let control = with_key().await;
    let direct = refused(&control.url(""), &["/health", "/ready"]).await;
    let oas = format!("http://{}", control.oas.unwrap());
    let oas = refused(&oas, &["/health", "/ready", "/api/v1/health"]).await;
    assert!(direct > 10 && oas > 8, "{direct} and {oas} operations");
    let url = control.url("/api/v1/stats");
    let get = async |url: String| Client::new().get(url).send().await.unwrap().status();
    assert_eq!(get(format!("{url}?api_key={KEY}")).await, StatusCode::OK);
    assert_eq!(get(format!("{url}?api_key=wrong")).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sockets_are_opened_with_the_key_or_after_it_was_said() {
    let control = with_key().await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    control.signal("m1", "IOC:m1").await;
    let mut socket = Socket::open(&control, &format!("pv-socket?api_key={KEY}")).await;
    socket.send(json!({"action": "subscribe", "pvs": ["IOC:m1"]})).await;
    assert_eq!(socket.reply("subscribed").await["pv_names"], json!(["IOC:m1"]));

    let mut later = Socket::open(&control, "pv-socket").await;
    later.send(json!({"type": "auth", "api_key": KEY})).await;
    later.send(json!({"action": "subscribe", "pvs": ["IOC:m1"]})).await;
    assert_eq!(later.reply("subscribed").await["pv_names"], json!(["IOC:m1"]));

    for (path, first) in [
        ("pv-socket", json!({"action": "set", "pv": "IOC:m1", "value": 9.0})),
        ("device-socket", json!({"type": "auth", "api_key": "wrong"})),
        ("camera-socket", json!({"imageArray_PV": "IOC:m1"})),
    ] {
        let mut stranger = Socket::open(&control, path).await;
        stranger.send(first).await;
        let (code, _) = stranger.closed().await;
        assert!([4001, 4401].contains(&code), "{path}: {code}");
    }
    assert!(pv.writes().is_empty(), "something was written");
}

#[tokio::test]
async fn a_wrong_key_is_refused_before_any_socket_is_open() {
    let control = with_key().await;
    let (direct, oas) = (control.addr, control.oas.unwrap());
    for address in [
        format!("{direct}/api/v1/pv-socket"),
        format!("{direct}/api/v1/device-socket"),
        format!("{direct}/api/v1/control-socket"),
        format!("{direct}/ws/pv/monitor"),
        format!("{direct}/ws/pv-socket"),
        format!("{direct}/ws/device-socket"),
        format!("{direct}/ws/control-socket"),
        format!("{direct}/api/v1/camera-socket"),
        format!("{direct}/api/v1/camera-socket-shared"),
        format!("{direct}/api/v1/tiff-socket"),
        format!("{oas}/api/v1/pv-socket"),
        format!("{oas}/ophydSocket"),
        format!("{oas}/api/v1/device-socket"),
        format!("{oas}/api/v1/camera-socket"),
        format!("{oas}/api/v1/camera-socket-shared"),
        format!("{oas}/api/v1/tiff-socket"),
        format!("{oas}/api/v1/qs-console-socket"),
        format!("{oas}/api/v1/ws"),
    ] {
        let url = format!("ws://{address}?api_key=wrong");
        let error = tokio_tungstenite::connect_async(url.as_str()).await.err().unwrap();
        let tungstenite::Error::Http(answer) = error else { panic!("{address}: {error}") };
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{address}");
    }
}
