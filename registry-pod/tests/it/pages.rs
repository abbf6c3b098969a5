//! What browsers send for web pages of others.

use registry_pod::Settings;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use service::settings::JsonList;

use crate::lab::{Lab, settings};

const FOREIGN: &str = "https://evil.example";

#[tokio::test]
async fn foreign_pages_read_and_change_nothing() {
    let lab = Lab::new(settings()).await;
    let ask = async |method: Method, (header, value): (&str, &str)| {
        let request = Client::new().request(method, format!("{}/api/v1/devices", lab.base()));
        let request = request.header("content-type", "text/plain").header(header, value);
        request.body("{}").send().await.unwrap()
    };
    for (method, header) in [
        (Method::GET, ("origin", FOREIGN)),
        (Method::POST, ("origin", FOREIGN)),
        (Method::POST, ("origin", "null")),
        (Method::OPTIONS, ("origin", FOREIGN)),
        (Method::POST, ("sec-fetch-site", "cross-site")),
        (Method::GET, ("host", "evil.example:8004")),
    ] {
        let answer = ask(method.clone(), header).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {header:?}");
        assert!(answer.headers().get("access-control-allow-origin").is_none());
        let body: Value = answer.json().await.unwrap();
        assert!(body["detail"].as_str().unwrap().contains("CONFIG_CORS_ORIGINS"), "{body}");
    }
    let local = ask(Method::GET, ("origin", "http://localhost:3000")).await;
    assert_eq!(local.headers()["access-control-allow-origin"], "*");
    assert_eq!(ask(Method::GET, ("accept", "*/*")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn with_a_star_every_page_gets_in() {
    let every = Some(JsonList(vec!["*".to_owned()]));
    let lab = Lab::new(Settings { cors_origins: every, ..settings() }).await;
    let request = Client::new().get(format!("{}/api/v1/devices", lab.base()));
    let answer = request.header("origin", FOREIGN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
}
