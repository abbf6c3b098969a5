//! The real Python clients against the running server.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use queue_pod::{Server, Settings};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::fixture::{Machine, Pod, alone, opened};

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a script of `tests/clients` and answers what it printed.
pub(crate) async fn run(script: &str, arguments: &[&str]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let child = Command::new(peers::python()?)
        .arg(&script)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let (out, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} failed:\n{out}\n{errors}", script.display());
    Some(out.into_owned())
}

/// One request over 0MQ with libzmq, sent as it is; `None` without Python.
pub(crate) async fn zmq_raw(pod: &Pod, frame: &str) -> Option<Value> {
    let out = run("request.py", &[&pod.control, frame]).await?;
    Some(serde_json::from_str(&out).unwrap())
}

/// One method over 0MQ.
pub(crate) async fn zmq(pod: &Pod, method: &str, params: Value) -> Option<Value> {
    zmq_raw(pod, &json!({ "method": method, "params": params }).to_string()).await
}

#[tokio::test]
async fn requests_that_are_none_are_refused_as_by_the_python_server() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    for (frame, text) in [
        (
            "not json",
            "Failed to decode the request: JSON decode error: Expecting value: line 1 column 1 (char 0)",
        ),
        ("[1,2]", "Incorrect request type: <class 'list'>. Dictionary is expected"),
        ("5", "Incorrect request type: <class 'int'>. Dictionary is expected"),
        ("\"abc\"", "Failed to decode the request: abc"),
        ("{}", "Invalid request format: method is not specified: {}"),
        (
            r#"{"method":"status","zz":1}"#,
            "Request contains unexpected keys ['zz']. Allowed keys: ('method', 'params')",
        ),
        (r#"{"method":"bogus"}"#, "Unknown method 'bogus'"),
        (r#"{"method":["status"]}"#, "unhashable type: 'list'"),
        (
            r#"{"method":"queue_item_add","params":{"item":5}}"#,
            "argument of type 'int' is not iterable",
        ),
        (
            r#"{"method":"queue_get","params":{"x":1}}"#,
            "Error: API request contains unsupported parameters: 'x'. Supported parameters: []",
        ),
        (r#"{"method":"config_get","params":null}"#, "'NoneType' object is not iterable"),
        (r#"{"method":"re_metadata"}"#, "Environment does not exist. Cannot retrieve RE metadata."),
        (
            r#"{"method":"config_service_diff"}"#,
            "RE Worker environment is not open; open it before requesting a device diff",
        ),
        (
            r#"{"method":"config_service_sync","params":{"strategy":"some"}}"#,
            "unknown strategy 'some'; expected one of ['all', 'additions_only', 'selected']",
        ),
    ] {
        let Some(reply) = zmq_raw(&pod, frame).await else { return };
        assert_eq!(reply["success"], false, "{frame}");
        assert_eq!(reply["msg"], text, "{frame}");
    }
    pod.stop().await;
}

#[tokio::test]
async fn the_python_api_works_over_0mq_and_http() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    for transport in ["zmq", "http"] {
        run("manager_api.py", &[transport, &pod.control, &pod.info, &pod.url]).await;
    }
    pod.stop().await;
}

#[tokio::test]
async fn the_qserver_command_works() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    run("qserver.py", &[&pod.control]).await;
    pod.stop().await;
}

#[tokio::test]
async fn with_a_private_key_only_those_who_know_the_public_one_are_heard() {
    // The well-known pair of all clients will do.
    let key = "=@e7WwVuz{*eGcnv{AL@x2hmX!z^)wP3vKsQ{S7s";
    let machine = Machine::new().await;
    let settings = Settings { zmq_private_key: Some(key.to_owned()), ..alone() };
    let pod = machine.serve_with(usize::MAX, settings).await;
    run("encrypted.py", &[&pod.control, key]).await;
    assert_eq!(pod.status().await["manager_state"], "idle");
    pod.stop().await;
}

#[tokio::test]
async fn a_private_key_that_is_none_is_one_clear_error() {
    let local = "tcp://127.0.0.1:0".to_owned();
    let settings = Settings {
        http: "127.0.0.1:0".to_owned(),
        zmq_control: local.clone(),
        zmq_info: local,
        zmq_private_key: Some("secret".to_owned()),
        ..Settings::default()
    };
    let error = Server::bind(settings).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "Invalid private key of the 0MQ control socket: the key must be a 40 byte z85 encoded string"
    );
}
