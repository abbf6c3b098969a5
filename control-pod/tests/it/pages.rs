//! What browsers send for web pages of others, over both APIs.

use control_pod::{OasSettings, Settings};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use service::settings::JsonList;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::support::{Control, oas_settings, settings};

const FOREIGN: &str = "https://evil.example";

/// Status of the handshake of a WebSocket that a page opens, and what it is told.
async fn handshake(address: &str, origin: &str) -> (StatusCode, String) {
    let mut request = format!("ws://{address}").into_client_request().unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    match connect_async(request).await {
        Ok((_, answer)) => (answer.status(), String::new()),
        Err(tungstenite::Error::Http(answer)) => {
            let text = answer.body().clone().unwrap_or_default();
            (answer.status(), String::from_utf8(text).unwrap())
        }
        Err(error) => panic!("{address}: {error}"),
    }
}

#[tokio::test]
async fn foreign_pages_open_no_socket_and_write_nothing() {
    let control = Control::start(settings()).await;
    let pv = control.pvs.add("IOC:m1", 2.5);
    control.signal("m1", "IOC:m1").await;
    let (direct, oas) = (control.addr, control.oas.unwrap());
    for (address, setting) in [
        (format!("{direct}/api/v1/pv-socket"), "DIRECT_CONTROL_CORS_ORIGINS"),
        (format!("{direct}/api/v1/camera-socket"), "DIRECT_CONTROL_CORS_ORIGINS"),
        (format!("{oas}/api/v1/pv-socket"), "OAS_ALLOWED_ORIGINS"),
        (format!("{oas}/ophydSocket"), "OAS_ALLOWED_ORIGINS"),
    ] {
        let (status, told) = handshake(&address, FOREIGN).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{address}");
        assert!(told.contains(setting) && told.contains(FOREIGN), "{told}");
        let (status, _) = handshake(&address, "http://localhost:3000").await;
        assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS, "{address}");
    }
    // What a page can send without asking first: no header of its own, and a body of plain text.
    let simple = Client::new().post(control.url("/api/v1/pv/set")).header("origin", FOREIGN);
    let simple = simple.header("content-type", "text/plain");
    let answer = simple.body(r#"{"pv_name": "IOC:m1", "value": 9.0}"#).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    assert!(pv.writes().is_empty(), "something was written");
}

#[tokio::test]
async fn a_name_that_points_here_by_chance_is_refused_and_configured_pages_get_in() {
    let ui = "https://ui.example.org";
    let origins = Some(JsonList(vec![ui.to_owned()]));
    let oas = OasSettings { allowed_origins: origins.clone(), ..oas_settings() };
    let control = Control::start(Settings { cors_origins: origins, oas, ..settings() }).await;
    let oas = format!("http://{}", control.oas.unwrap());
    for base in [control.url(""), oas] {
        let ask = async |header: &str, value: &str| {
            let request = Client::new().get(format!("{base}/health")).header(header, value);
            request.send().await.unwrap()
        };
        let rebound = ask("host", "evil.example:8003").await;
        assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
        let told: Value = rebound.json().await.unwrap();
        assert!(told["detail"].as_str().unwrap().contains("'evil.example'"), "{told}");
        assert_eq!(ask("host", "ui.example.org").await.status(), StatusCode::OK);
        let page = ask("origin", ui).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()["access-control-allow-origin"], ui);
        assert_eq!(ask("origin", FOREIGN).await.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_right_key_does_not_make_a_foreign_page_a_friend() {
    let control =
        Control::start(Settings { api_key: Some("APIKEYFORTESTS".into()), ..settings() }).await;
    let address = format!("{}/api/v1/pv-socket?api_key=APIKEYFORTESTS", control.addr);
    assert_eq!(handshake(&address, FOREIGN).await.0, StatusCode::FORBIDDEN);
    // With a key the name does not matter: a page would have to know the key.
    let stats = Client::new().get(control.url("/api/v1/stats?api_key=APIKEYFORTESTS"));
    let stats = stats.header("host", "lab.example:8003").send().await.unwrap();
    assert_eq!(stats.status(), StatusCode::OK, "{:?}", json!(stats.text().await.unwrap()));
}
