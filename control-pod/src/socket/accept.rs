//! Accepting a WebSocket: capacity first, then a session that is owned by the service.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use service::access::Entry;
use tokio::time::timeout;

use crate::audit::Caller;
use crate::audit::caller::CalledBy;
use crate::gateway::Gateway;
use crate::socket::client::Client;
use crate::socket::control::ControlSocket;
use crate::socket::device::DeviceSocket;
use crate::socket::image::wording::Wording;
use crate::socket::image::{self, ImageClient, ImageSocket};
use crate::socket::outbox::Outbox;
use crate::socket::pv::PvSocket;
use crate::socket::session::{Protocol, SessionSettings, run};
use crate::socket::{Api, Seat, SocketKind};

/// Longest command: a subscription to some ten thousand PVs, or a waveform of a hundred thousand
/// numbers.
const MAX_COMMAND_BYTES: usize = 4 << 20;

/// What is read of a client at once. It is allocated for each socket, whether the client says
/// anything or not, and commands are short.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// What is gathered for a client before it goes to the kernel.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// A request to open a WebSocket, with what is known of who sends it.
#[derive(Debug)]
pub(crate) struct Upgrade {
    upgrade: WebSocketUpgrade,
    entry: Entry,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        let entry = Entry::from_request_parts(parts, state).await;
        Ok(Self {
            upgrade: upgrade.map_err(IntoResponse::into_response)?,
            entry: entry.map_err(IntoResponse::into_response)?,
        })
    }
}

/// `/api/v1/pv-socket`.
pub(crate) async fn pv_socket(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_client(gateway, upgrade, SocketKind::Pv, caller, PvSocket::new)
}

/// `/api/v1/device-socket`.
pub(crate) async fn device_socket(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_client(gateway, upgrade, SocketKind::Device, caller, DeviceSocket::new)
}

/// `/api/v1/control-socket`.
pub(crate) async fn control_socket(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_client(gateway, upgrade, SocketKind::Control, caller, ControlSocket::new)
}

fn accept_client<P: Protocol + 'static>(
    gateway: Arc<Gateway>,
    upgrade: Upgrade,
    kind: SocketKind,
    caller: Arc<Caller>,
    speak: impl FnOnce(Client) -> P + Send + 'static,
) -> Response {
    let served = Arc::clone(&gateway);
    accept(gateway, upgrade, (Api::Direct, kind), Arc::clone(&caller), |outbox, seat| {
        speak(Client::new(served, outbox, seat, caller))
    })
}

/// `/api/v1/camera-socket`.
pub(crate) async fn camera_socket(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_image(gateway, upgrade, caller, ImageSocket::Camera, Wording::DirectControl)
}

/// `/api/v1/camera-socket-shared`.
pub(crate) async fn camera_socket_shared(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_image(gateway, upgrade, caller, ImageSocket::CameraShared, Wording::DirectControl)
}

/// `/api/v1/tiff-socket`.
pub(crate) async fn tiff_socket(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    upgrade: Upgrade,
) -> Response {
    accept_image(gateway, upgrade, caller, ImageSocket::Tiff, Wording::DirectControl)
}

/// An image socket in the words of `wording`.
pub(crate) fn accept_image(
    gateway: Arc<Gateway>,
    upgrade: Upgrade,
    caller: Arc<Caller>,
    socket: ImageSocket,
    wording: Wording,
) -> Response {
    let api = match wording {
        Wording::DirectControl => Api::Direct,
        Wording::OphydWebsocket => Api::Oas,
    };
    let what = (api, SocketKind::Image);
    let from = caller.from.clone();
    seated(gateway, upgrade, what, caller, move |connection, gateway, seat| async move {
        let (sink, stream) = connection.split();
        let client = ImageClient { seat, from, socket, wording };
        image::run(sink, stream, &gateway, &client).await;
    })
}

/// Serves a socket of commands and frames, in the words of the protocol that `speak` makes.
pub(crate) fn accept<P: Protocol + 'static>(
    gateway: Arc<Gateway>,
    upgrade: Upgrade,
    what: (Api, SocketKind),
    caller: Arc<Caller>,
    speak: impl FnOnce(Arc<Outbox>, Seat) -> P + Send + 'static,
) -> Response {
    seated(gateway, upgrade, what, caller, move |socket, gateway, seat| async move {
        let outbox = Arc::new(Outbox::new(Arc::clone(&seat.delivery)));
        let protocol = speak(Arc::clone(&outbox), seat);
        serve(socket, &outbox, &protocol, &gateway).await;
    })
}

/// The upgrade always succeeds; a socket for which there is no room is closed at once with 1013.
pub(crate) fn seated<F, S>(
    gateway: Arc<Gateway>,
    upgrade: Upgrade,
    (api, kind): (Api, SocketKind),
    caller: Arc<Caller>,
    serve: S,
) -> Response
where
    S: FnOnce(WebSocket, Arc<Gateway>, Seat) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let token = gateway.sockets.sessions.token();
    let Upgrade { upgrade, entry } = upgrade;
    let upgrade = upgrade
        .max_message_size(MAX_COMMAND_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES);
    upgrade.on_upgrade(move |mut socket| async move {
        // Held to the end: the service waits for its sessions when it stops.
        let _token = token;
        let passed = tokio::select! {
            () = gateway.sockets.shutdown.cancelled() => None,
            passed = entry.pass(&mut socket) => passed,
        };
        if passed.is_none() {
            return;
        }
        match gateway.sockets.enter(api, kind, caller) {
            Some(seat) => serve(socket, gateway, seat).await,
            None => turn_away(socket, &gateway).await,
        }
    })
}

async fn serve(
    socket: WebSocket,
    outbox: &Arc<Outbox>,
    protocol: &impl Protocol,
    gateway: &Gateway,
) {
    let settings = SessionSettings {
        heartbeat: gateway.settings.ws_heartbeat_interval,
        close_timeout: gateway.settings.ws_send_timeout,
        shutdown: gateway.sockets.shutdown.clone(),
    };
    let (sink, stream) = socket.split();
    let end = run(sink, stream, outbox, protocol, &settings).await;
    tracing::debug!(?end, "socket closed");
}

async fn turn_away(mut socket: WebSocket, gateway: &Gateway) {
    let frame = CloseFrame {
        code: close_code::AGAIN,
        reason: "server at WebSocket connection capacity; try again later".into(),
    };
    let goodbye = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            // The close handshake ends when the client has answered.
            while socket.recv().await.is_some_and(|message| message.is_ok()) {}
        }
    };
    if timeout(gateway.settings.ws_send_timeout, goodbye).await.is_err() {
        tracing::debug!("a client that found no room did not close");
    }
}
