//! A WebSocket client that reads frames as JSON.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Control, PATIENCE};

pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(control: &Control, path: &str) -> Self {
        Self::open_at(control, &format!("/api/v1/{path}")).await
    }

    /// The same by its whole path.
    pub(crate) async fn open_at(control: &Control, path: &str) -> Self {
        Self::connect(&format!("ws://{}{path}", control.addr)).await
    }

    /// A socket of the API of ophyd-websocket.
    pub(crate) async fn open_oas(control: &Control, path: &str) -> Self {
        Self::connect(&format!("ws://{}{path}", control.oas.unwrap())).await
    }

    async fn connect(url: &str) -> Self {
        Self(connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn send(&mut self, command: Value) {
        self.send_text(&command.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("a frame");
            match message.expect("an open socket").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected frame {other:?}"),
            }
        }
    }

    /// The frames up to and including the first that is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        let read = async {
            loop {
                let frame = self.next().await;
                let found = wanted(&frame);
                frames.push(frame);
                if found {
                    return;
                }
            }
        };
        if timeout(PATIENCE, read).await.is_err() {
            panic!("the wanted frame did not come; got {frames:?}");
        }
        frames
    }

    /// The first frame of that `type`, and nothing of what came before.
    pub(crate) async fn reply(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await.pop().unwrap()
    }

    /// Code and reason with which the server closes.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let read = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return (frame.code.into(), frame.reason.to_string());
                    }
                    Some(Ok(_)) => {}
                    other => panic!("no close frame: {other:?}"),
                }
            }
        };
        timeout(PATIENCE, read).await.expect("a close frame")
    }
}
