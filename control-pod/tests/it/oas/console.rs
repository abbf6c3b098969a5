//! `/api/v1/qs-console-socket`, with a publisher that comes and goes (contract §8).

use std::time::Duration;

use bytes::Bytes;
use control_pod::{OasSettings, Settings};
use futures::StreamExt;
use omq_tokio::{Endpoint, Message as Published, Options, Socket as ZmqSocket, SocketType};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::socket::Socket;
use crate::support::{Control, PATIENCE, oas_settings, settings};

const LINE: &str = r#"{"time": 1700000000.123, "msg": "Starting the plan\n"}"#;

async fn publisher(port: u16) -> (ZmqSocket, u16) {
    let socket = ZmqSocket::new(SocketType::Pub, Options::new());
    let Endpoint::Tcp { port, .. } = socket.bind(format!("tcp://127.0.0.1:{port}")).await.unwrap()
    else {
        panic!("bound elsewhere")
    };
    (socket, port)
}

async fn publish(socket: &ZmqSocket, topic: &'static str, payload: &'static str) {
    let frames = [Bytes::from_static(topic.as_bytes()), Bytes::from_static(payload.as_bytes())];
    socket.send(Published::multipart(frames)).await.unwrap();
}

/// Publishes again and again, since nobody knows when a subscription has arrived, until the line is
/// heard. What else there is on the wire must not be heard.
async fn until_heard(publisher: &ZmqSocket, client: &mut Socket) -> String {
    let hear = async {
        loop {
            publish(publisher, "QS_Info", r#"{"msg": {"status": {}}}"#).await;
            publish(publisher, "QS_Console", LINE).await;
            match timeout(Duration::from_millis(100), client.0.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return text.to_string(),
                Ok(Some(Ok(_))) | Err(_) => {}
                Ok(other) => panic!("the socket ended: {other:?}"),
            }
        }
    };
    timeout(PATIENCE, hear).await.expect("a line of the console")
}

#[tokio::test]
async fn the_console_is_passed_on_unchanged_also_after_the_queue_server_was_away() {
    let (queue, port) = publisher(0).await;
    let oas = OasSettings {
        zmq_host: Some("127.0.0.1".to_owned()),
        zmq_port: Some(port),
        ..oas_settings()
    };
    let control = Control::start(Settings { oas, ..settings() }).await;
    let mut client = Socket::open_oas(&control, "/api/v1/qs-console-socket").await;
    client.send_text("whatever").await;
    assert_eq!(until_heard(&queue, &mut client).await, LINE);
    let mut second = Socket::open_oas(&control, "/api/v1/qs-console-socket").await;
    assert_eq!(until_heard(&queue, &mut second).await, LINE);
    queue.close().await.unwrap();
    let (queue, _) = publisher(port).await;
    // What was published before is still on its way to the first client.
    assert_eq!(until_heard(&queue, &mut second).await, LINE);
    drop(client);
}

#[tokio::test]
async fn the_socket_stays_open_without_a_queue_server() {
    let control = Control::start(settings()).await;
    let mut client = Socket::open_oas(&control, "/api/v1/qs-console-socket").await;
    client.send_text("whatever").await;
    let first = client.0.next().await.unwrap().unwrap();
    assert!(matches!(first, Message::Ping(_)), "a sign of life at once: {first:?}");
    control.ask_to_stop();
    assert_eq!(client.closed().await, (1001, "Service shutting down".to_owned()));
}
