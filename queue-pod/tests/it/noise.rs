//! What a hostile network sends: scanners, half frames, noise.

use std::io::ErrorKind;

use queue_pod::{Server, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Machine, PATIENCE, Pod};

/// Sends bytes to a port and waits until the server hangs up, or for a silent while when it does not have to.
async fn send(address: &str, bytes: &[u8], hangs_up: bool) {
    let address = address.trim_start_matches("tcp://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    match stream.write_all(bytes).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return,
        Err(error) => panic!("{error}"),
    }
    if hangs_up {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the server keeps a peer that speaks nonsense");
    }
}

fn greeting() -> Vec<u8> {
    let mut greeting = vec![0; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

fn ready() -> Vec<u8> {
    let body = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ";
    [&[0x04, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

async fn still_answers(pod: &Pod) {
    let answer = crate::clients::zmq(pod, "status", json!({})).await;
    if let Some(answer) = answer {
        assert_eq!(answer["manager_state"], "idle");
    }
    assert_eq!(pod.status().await["manager_state"], "idle");
}

#[tokio::test]
async fn noise_on_the_0mq_ports_hurts_nobody() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    let hello = [greeting(), ready()].concat();
    let endless = [hello.as_slice(), &[0x02, 0x7f, 0, 0, 0, 0, 0, 0, 0]].concat();
    let half = [hello.as_slice(), &[0x02, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3]].concat();
    let unknown_command = [greeting(), vec![0x04, 3, 2, b'X', b'Y']].concat();
    for port in [pod.control.clone(), pod.info.clone()] {
        send(&port, b"GET / HTTP/1.1\r\n\r\n", true).await;
        send(&port, &vec![0xa5; 1 << 20], true).await;
        send(&port, &vec![0xff; 1 << 20], true).await;
        send(&port, &endless, true).await;
        send(&port, &half, false).await;
        send(&port, &unknown_command, false).await;
        send(&port, &greeting()[..20], false).await;
        send(&port, b"", false).await;
    }
    still_answers(&pod).await;
    pod.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_error() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let free = "tcp://127.0.0.1:0".to_owned();
    let settings = Settings {
        http: "127.0.0.1:0".to_owned(),
        zmq_control: format!("tcp://{address}"),
        zmq_info: free,
        ..Settings::default()
    };
    let error = Server::bind(settings).await.err().unwrap().to_string();
    assert_eq!(
        error,
        format!(
            "the queue server (0MQ control) cannot listen on {address}: address already in use"
        )
    );
}
