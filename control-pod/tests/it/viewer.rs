//! A client of an image socket.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Control, PATIENCE};

/// What an image socket sends.
#[derive(Debug)]
pub(crate) enum Shown {
    Text(String),
    Picture(Vec<u8>),
    Closed(u16, String),
}

pub(crate) struct Viewer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    /// Opens the socket and sends the first message.
    pub(crate) async fn open(control: &Control, path: &str, first: &Value) -> Self {
        let mut viewer = Self::silent(control, path).await;
        viewer.send(&first.to_string()).await;
        viewer
    }

    /// Opens the socket.
    pub(crate) async fn silent(control: &Control, path: &str) -> Self {
        Self::at(control.addr, path).await
    }

    /// Opens the socket of the API of ophyd-websocket and sends the first message.
    pub(crate) async fn open_oas(control: &Control, path: &str, first: &Value) -> Self {
        let mut viewer = Self::silent_oas(control, path).await;
        viewer.send(&first.to_string()).await;
        viewer
    }

    /// Opens the socket of the API of ophyd-websocket.
    pub(crate) async fn silent_oas(control: &Control, path: &str) -> Self {
        Self::at(control.oas.unwrap(), path).await
    }

    async fn at(addr: SocketAddr, path: &str) -> Self {
        let url = format!("ws://{addr}/api/v1/{path}");
        Self(connect_async(url).await.unwrap().0)
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Shown {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("a frame");
            match message.expect("an open socket").unwrap() {
                Message::Text(text) => return Shown::Text(text.to_string()),
                Message::Binary(file) => return Shown::Picture(file.to_vec()),
                Message::Close(Some(close)) => {
                    return Shown::Closed(close.code.into(), close.reason.to_string());
                }
                _ => {}
            }
        }
    }

    /// The text that comes next.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Shown::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// The picture that comes next.
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        match self.next().await {
            Shown::Picture(file) => file,
            other => panic!("no picture: {other:?}"),
        }
    }

    /// The first text from now on, whatever pictures come before.
    pub(crate) async fn next_text(&mut self) -> String {
        loop {
            match self.next().await {
                Shown::Text(text) => return text,
                Shown::Picture(_) => {}
                closed @ Shown::Closed(..) => panic!("no text: {closed:?}"),
            }
        }
    }

    /// The first picture from now on, whatever texts come before.
    pub(crate) async fn next_picture(&mut self) -> Vec<u8> {
        loop {
            match self.next().await {
                Shown::Picture(file) => return file,
                Shown::Text(_) => {}
                closed @ Shown::Closed(..) => panic!("no picture: {closed:?}"),
            }
        }
    }

    /// The error that comes next, and code and reason of the close after it.
    pub(crate) async fn refusal(&mut self) -> (Value, u16, String) {
        let error = serde_json::from_str(&self.text().await).unwrap();
        match self.next().await {
            Shown::Closed(code, reason) => (error, code, reason),
            other => panic!("no close: {other:?}"),
        }
    }
}

/// Width, height and grey values of a JPEG; of a coloured one, three values a pixel.
pub(crate) fn decoded(file: &[u8]) -> (usize, usize, Vec<u8>) {
    assert!(file.starts_with(b"\xff\xd8\xff\xe0"), "a JPEG in a JFIF file");
    let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(file));
    let rgb = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    let grey =
        decoder.input_colorspace() == Some(zune_jpeg::zune_core::colorspace::ColorSpace::Luma);
    let pixels = if grey { rgb.chunks(3).map(|pixel| pixel[0]).collect() } else { rgb };
    (width, height, pixels)
}
