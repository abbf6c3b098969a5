//! A registry with an API key.

use registry_pod::Settings;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::lab::{Lab, settings};

const KEY: &str = "APIKEYFORTESTS";

#[tokio::test]
async fn with_a_key_every_operation_needs_it_and_probes_do_not() {
    let lab = Lab::new(Settings { api_key: Some(KEY.into()), ..settings() }).await;
    let http = Client::new();
    let ask = async |method: Method, path: &str, key: Option<&str>| {
        let request = http.request(method, format!("{}{path}", lab.base())).json(&json!({}));
        let request = match key {
            Some(key) => request.header("authorization", format!("ApiKey {key}")),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap_or_default())
    };
    let (_, interface) = ask(Method::GET, "/openapi.json", None).await;
    let open = ["/health", "/ready"];
    let mut asked = 0;
    for (path, item) in interface["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let (status, body) = ask(method.clone(), path, None).await;
            let expected = match open.contains(&path.as_str()) {
                true => StatusCode::OK,
                false => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(status, expected, "{method} {path}: {body}");
            asked += 1;
        }
    }
    assert!(asked > 30, "only {asked} operations");
    let (status, body) = ask(Method::GET, "/api/v1/devices", Some("wrong")).await;
    assert_eq!((status.as_u16(), &body), (401, &json!({ "detail": "Invalid API key" })));
    let (status, body) = ask(Method::GET, "/api/v1/devices", Some(KEY)).await;
    assert_eq!((status.as_u16(), &body), (200, &json!([])));
}
