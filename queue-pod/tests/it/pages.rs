//! What browsers send for web pages of others.

use queue_pod::Settings;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::access::socket;
use crate::fixture::{Machine, alone};

const FOREIGN: &str = "https://evil.example";
const SETTING: &str = "QSERVER_HTTP_SERVER_ALLOW_ORIGINS";

#[tokio::test]
async fn foreign_pages_start_no_plan_and_open_no_socket() {
    let machine = Machine::new().await;
    let settings = Settings { allow_origins: "https://ui.example.org".to_owned(), ..alone() };
    let pod = machine.serve_with(usize::MAX, settings).await;
    let ask = async |(header, value): (&str, &str)| {
        let request = Client::new().post(format!("{}/api/environment/open", pod.url));
        let answer = request.header(header, value).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    for header in
        [("origin", FOREIGN), ("sec-fetch-site", "cross-site"), ("host", "evil.example:60610")]
    {
        let (status, told) = ask(header).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{header:?}");
        assert!(told["detail"].as_str().unwrap().contains(SETTING), "{told}");
    }
    assert_eq!(pod.status().await["worker_environment_state"], "closed");
    for path in ["/api/status/ws", "/api/info/ws", "/api/console_output/ws"] {
        let refused = socket(&pod, path, Some(("origin", FOREIGN))).await.err().unwrap();
        assert!(refused.to_string().contains("403"), "{path}: {refused}");
        for origin in ["https://ui.example.org", "http://localhost:3000", &pod.url] {
            let opened = socket(&pod, path, Some(("origin", origin))).await;
            assert!(opened.is_ok(), "{path} {origin}");
        }
    }
    let (status, answer) = ask(("origin", "https://ui.example.org")).await;
    assert_eq!((status, &answer["success"]), (StatusCode::OK, &json!(true)));
    pod.stop().await;
}
