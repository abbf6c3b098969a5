//! Who gets in over HTTP and WebSockets, and who does not.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use queue_pod::{Access, Settings};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::clients::run;
use crate::fixture::{Machine, PATIENCE, Pod, alone, item, opened_with};

const KEY: &str = "APIKEYFORTESTS";

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

fn with_key() -> Settings {
    let access = Access { single_user_api_key: Some(KEY.into()), ..Access::default() };
    Settings { access, ..alone() }
}

/// Status, body and `WWW-Authenticate` of a request that shows `authorization`.
async fn ask(pod: &Pod, path: &str, authorization: Option<&str>) -> (StatusCode, Value, String) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", pod.url));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let answer = request.send().await.unwrap();
    let asked = answer.headers().get("www-authenticate");
    let asked = asked.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status(), answer.json().await.unwrap_or_default(), asked)
}

#[tokio::test]
async fn credentials_are_taken_and_refused_in_the_words_of_the_python_server() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    let no_scopes =
        "Not enough permissions. Requires scopes ['read:status']. Request had scopes []";
    let malformed = "Authorization header must include the authorization type followed by a space and then the secret, as in 'Bearer SECRET' or 'Apikey SECRET'. ";
    for (authorization, status, detail) in [
        (None, 401, no_scopes),
        (Some("Basic dTpw"), 401, no_scopes),
        (Some("ApiKey wrong"), 401, "Invalid API key"),
        (Some("Bearer wrong"), 401, "Could not validate credentials"),
        (Some("ApiKey"), 400, malformed),
    ] {
        let (answer, body, asked) = ask(&pod, "/api/status", authorization).await;
        assert_eq!((answer.as_u16(), &body), (status, &json!({ "detail": detail })));
        assert_eq!(asked.is_empty(), status != 401, "{authorization:?}");
        assert!(asked.is_empty() || asked == r#"Bearer scope="read:status""#, "{asked}");
    }
    for scheme in ["ApiKey", "Apikey", "apikey"] {
        let shown = format!("{scheme} {KEY}");
        let (answer, body, _) = ask(&pod, "/api/status", Some(&shown)).await;
        assert_eq!((answer.as_u16(), body["manager_state"].as_str()), (200, Some("idle")));
    }
    let (answer, ..) = ask(&pod, &format!("/api/status?api_key={KEY}"), None).await;
    assert_eq!(answer, StatusCode::OK);
    let (answer, body, _) = ask(&pod, "/api/status?api_key=wrong", None).await;
    assert_eq!((answer.as_u16(), body["detail"].as_str()), (401, Some("Invalid API key")));
    pod.stop().await;
}

#[tokio::test]
async fn a_stranger_gets_no_further_than_probes_and_descriptions() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    let http = reqwest::Client::new();
    let interface = ask(&pod, "/openapi.json", None).await.1;
    let mut asked = 0;
    // Whoever logs in has nothing to show yet.
    let for_all =
        |path: &str| path.contains("/auth/provider/") || path.ends_with("/session/refresh");
    let paths = interface["paths"].as_object().unwrap();
    for (path, item) in paths.iter().filter(|(path, _)| !for_all(path)) {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = http.request(method.clone(), format!("{}{path}", pod.url));
            let answer = request.json(&json!({})).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 50, "only {asked} operations");
    for path in ["/api/console_output", "/api/console_output/uid", "/api/stream_console_output"] {
        assert_eq!(ask(&pod, path, None).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/health", "/ready", "/livez", "/metrics", "/docs"] {
        assert_eq!(ask(&pod, path, None).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(ask(&pod, "/api/nonsense", None).await.0, StatusCode::NOT_FOUND);
    pod.stop().await;
}

#[tokio::test]
async fn anonymous_access_is_the_status_and_nothing_else() {
    let machine = Machine::new().await;
    let mut settings = with_key();
    settings.access.allow_anonymous = true;
    let pod = machine.serve_with(usize::MAX, settings).await;
    assert_eq!(ask(&pod, "/api/status", None).await.0, StatusCode::OK);
    let (status, body, _) = ask(&pod, "/api/queue/get", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let detail = "Not enough permissions. Requires scopes ['read:queue']. Request had scopes ['read:status']";
    assert_eq!(body["detail"], detail);
    pod.stop().await;
}

#[tokio::test]
async fn the_python_api_works_with_a_key() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened_with(&machine, with_key()).await;
    run("manager_api.py", &["http", &pod.control, &pod.info, &pod.url, KEY]).await;
    let added = pod.must("/queue/item/add", json!({ "item": item("quick") })).await;
    assert_eq!(added["item"]["user"], "UNAUTHENTICATED_SINGLE_USER");
    assert_eq!(added["item"]["user_group"], "primary");
    pod.stop().await;
}

#[tokio::test]
async fn who_guesses_keys_is_held_up_and_others_are_not() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    let mut tried = 0;
    while ask(&pod, "/api/status", Some("ApiKey guess")).await.0 != StatusCode::TOO_MANY_REQUESTS {
        tried += 1;
        assert!(tried < 10_000, "nobody stops the guessing");
    }
    assert_eq!(pod.status().await["manager_state"], "idle");
    pod.stop().await;
}

/// Opens a socket of the server.
pub(crate) async fn socket(
    pod: &Pod,
    path: &str,
    header: Option<(&'static str, &str)>,
) -> Result<Socket, Box<tungstenite::Error>> {
    let address = format!("{}{path}", pod.url.replace("http", "ws"));
    let mut request = address.into_client_request().unwrap();
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let opened = tokio_tungstenite::connect_async(request).await;
    opened.map(|(socket, _)| socket).map_err(Box::new)
}

async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap()
}

async fn sends_status(mut socket: Socket) {
    let Message::Text(text) = next(&mut socket).await else { panic!("no text") };
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["msg"]["status"]["manager_state"], "idle");
}

#[tokio::test]
async fn sockets_are_opened_by_header_query_or_subprotocol() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    let shown = format!("apikey {KEY}");
    sends_status(socket(&pod, "/api/status/ws", Some(("authorization", &shown))).await.unwrap())
        .await;
    let path = format!("/api/info/ws?api_key={KEY}");
    sends_status(socket(&pod, &path, None).await.unwrap()).await;
    let offered = format!("beamline, apikey.{KEY}");
    let offer = Some(("sec-websocket-protocol", offered.as_str()));
    // The client checks that one of its protocols was chosen.
    sends_status(socket(&pod, "/api/status/ws", offer).await.unwrap()).await;
    pod.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_before_the_socket_is_open() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    for (path, header) in [
        ("/api/status/ws", Some(("authorization", "ApiKey wrong"))),
        ("/api/console_output/ws?api_key=wrong", None),
        ("/api/info/ws", Some(("sec-websocket-protocol", "beamline, apikey.wrong"))),
    ] {
        let error = socket(&pod, path, header).await.err().unwrap();
        let tungstenite::Error::Http(answer) = *error else { panic!("{path}: {error}") };
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    pod.stop().await;
}

#[tokio::test]
async fn who_shows_nothing_has_to_say_it_in_the_first_message() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    let said = |first: Message| {
        let pod = &pod;
        async move {
            let mut socket = socket(pod, "/api/status/ws", None).await.unwrap();
            socket.send(first).await.unwrap();
            socket
        }
    };
    let right = json!({ "type": "auth", "api_key": KEY }).to_string();
    sends_status(said(right.into()).await).await;
    let wrong = json!({ "type": "auth", "api_key": "wrong" }).to_string();
    for (first, code, reason) in [
        (Message::from(wrong), 4001, "Invalid token"),
        ("{}".into(), 4401, "Auth required"),
        (Message::Binary("x".into()), 4401, "Auth required"),
    ] {
        let mut socket = said(first).await;
        let Message::Close(Some(close)) = next(&mut socket).await else { panic!("not closed") };
        assert_eq!((close.code, close.reason.as_str()), (CloseCode::from(code), reason));
    }
    pod.stop().await;
}

#[tokio::test]
async fn only_so_many_sockets_may_keep_silent_about_who_opens_them() {
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, with_key()).await;
    let mut silent = Vec::new();
    while let Ok(socket) = socket(&pod, "/api/status/ws", None).await {
        silent.push(socket);
        assert!(silent.len() < 1_000, "any number of them");
    }
    let path = format!("/api/status/ws?api_key={KEY}");
    sends_status(socket(&pod, &path, None).await.unwrap()).await;
    drop(silent);
    let again = async {
        while socket(&pod, "/api/status/ws", None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    pod.stop().await;
}

#[tokio::test]
async fn a_key_with_other_than_letters_and_digits_is_one_clear_error() {
    let mut settings = with_key();
    settings.access.single_user_api_key = Some("se cret".into());
    settings.http = "127.0.0.1:0".to_owned();
    settings.zmq_control = "tcp://127.0.0.1:0".to_owned();
    settings.zmq_info = "tcp://127.0.0.1:0".to_owned();
    let error = queue_pod::Server::bind(settings).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "the queue server cannot start: the single-user API key must consist of letters and digits"
    );
}
