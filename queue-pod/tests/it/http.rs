//! What is particular to HTTP: codes and bodies of the Python server, and routes that are only there.

use axum::http::Method;
use serde_json::{Value, json};

use crate::fixture::{Machine, Pod, opened};

/// Status code and `detail` of a request.
async fn refused(pod: &Pod, verb: &Method, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(verb.clone(), format!("{}/api{path}", pod.url));
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send().await.unwrap();
    let code = answer.status().as_u16();
    (code, answer.json::<Value>().await.unwrap()["detail"].clone())
}

#[tokio::test]
async fn what_is_not_called_as_the_python_client_would_be_is_refused_in_its_words() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let (get, post) = (Method::GET, Method::POST);
    for (verb, path, body, code, detail) in [
        (
            &get,
            "/plans/allowed",
            json!({"x": 1}),
            400,
            "Request contains keys the are not supported: {'x'}.",
        ),
        (
            &post,
            "/queue/item/remove",
            json!({"x": 1}),
            400,
            "API_Async_Mixin.item_remove() got an unexpected keyword argument 'x'",
        ),
        (
            &post,
            "/queue/item/add",
            json!({"item": 5}),
            400,
            "Incorrect item type <class 'int'>. Expected type: 'BItem' or 'dict'",
        ),
        (
            &post,
            "/queue/item/update",
            json!({}),
            400,
            "API_Async_Mixin.item_update() missing 1 required positional argument: 'item'",
        ),
        (
            &post,
            "/lock",
            json!({}),
            400,
            "Failed to format the 'lock' request: Lock key is not set",
        ),
        (
            &get,
            "/test/server/sleep",
            json!({}),
            400,
            "The required parameter 'time' is missing in the API call: {}",
        ),
    ] {
        assert_eq!(refused(&pod, verb, path, &body).await, (code, json!(detail)), "{path}");
    }
    let (code, detail) = refused(&pod, &get, "/task/result", &Value::Null).await;
    assert_eq!((code, &detail[0]["type"]), (422, &json!("missing")));
    pod.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_die_or_to_wait_is_there_again() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let killed = refused(&pod, &Method::POST, "/test/manager/kill", &Value::Null).await;
    assert_eq!(killed, (408, json!("Request timeout: ZMQ communication error: timeout occurred")));
    pod.until("it serves again", async |pod| pod.status().await["manager_state"] == "idle").await;
    let waited = pod.get_with("/test/server/sleep", json!({"time": 0})).await;
    assert_eq!(waited, json!({"success": true, "msg": ""}));
    pod.stop().await;
}

#[tokio::test]
async fn plans_are_described_for_simple_forms_when_asked() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    for path in ["/plans/allowed", "/plans/existing"] {
        let key = path[1..].replace('/', "_");
        let whole = pod.get_with(path, json!({"reduced": false})).await;
        let reduced = pod.get_with(path, json!({"reduced": true})).await;
        assert!(whole[&key]["quick"].get("parameters").is_some(), "{whole}");
        assert_eq!(reduced[&key]["quick"]["name"], "quick");
        assert_ne!(reduced[&key], whole[&key]);
    }
    pod.stop().await;
}
