//! A client that stops reading: what waits for it is bounded, and what it reads next is soon the newest.

use channels::{Metadata, PvValue};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Control, PATIENCE, settings};

/// Numbers of the array: a frame of some 6 kB.
const LENGTH: usize = 1_000;
/// Frames: 18 MB, several times of what a kernel keeps for a client if nobody tells it not to.
const FRAMES: u32 = 3_000;
/// Most bytes that a client has to read before the newest value: those that the kernel and we have gathered for it, and what its
/// own kernel has taken.
const MOST_OLD: usize = 1 << 20;

fn wave(number: u32) -> PvValue {
    PvValue::DoubleArray(vec![f64::from(number); LENGTH].into())
}

#[tokio::test]
async fn a_client_that_reads_again_soon_sees_the_newest_value() {
    let control = Control::start(settings()).await;
    let pv = control.pvs.add_with("IOC:wave", wave(0), Metadata::default());
    control.standalone("IOC:wave").await;
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(16 << 10).unwrap();
    let tcp = tcp.connect(control.addr).await.unwrap();
    let url = format!("ws://{}/api/v1/pv-socket", control.addr);
    let (mut socket, _) = client_async(url, tcp).await.unwrap();
    let command = json!({"action": "subscribe", "pv": "IOC:wave"}).to_string();
    socket.send(Message::Text(command.into())).await.unwrap();
    let mut next = async || -> (usize, Value) {
        loop {
            let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
            if let Message::Text(text) = message {
                return (text.len(), serde_json::from_str(&text).unwrap());
            }
        }
    };
    while next().await.1["type"] != "subscribed" {}

    for number in 1..=FRAMES {
        pv.post(wave(number));
        tokio::task::yield_now().await;
    }
    control
        .until("/api/v1/stats", |_, stats| {
            let (client, pv) = (&stats["slowest_clients"][0], &stats["most_overwritten_pvs"][0]);
            client["route"] == "/api/v1/pv-socket"
                && client["pv_names"] == json!(["IOC:wave"])
                && client["overwritten"].as_u64() > Some(0)
                && pv["pv"] == "IOC:wave"
                && pv["overwritten"] == client["overwritten"]
        })
        .await;
    let newest = json!(f64::from(FRAMES));
    let has_newest = |_: u16, body: &Value| body["value"][0] == newest;
    control.until("/api/v1/pvs/IOC:wave/value", has_newest).await;

    let mut old = 0;
    loop {
        let (length, frame) = next().await;
        if frame["value"][0] == newest {
            break;
        }
        old += length;
    }
    assert!(old < MOST_OLD, "{old} bytes of old values came before the newest");
}
