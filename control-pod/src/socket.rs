//! The WebSockets (contract §2.8 to §2.11).
//!
//! [`session`] runs one connection over any sink and stream, in the words of a protocol on top of it:
//! [`pv`], [`device`] and [`control`] are direct control's own, those of ophyd-websocket are in [`crate::oas`].
//! What they follow is kept by [`following`]; [`outbox`] and [`dialect`] are what the shared
//! monitors write into. Who they are and how well each takes what it is sent is in [`clients`]. [`image`] shows cameras, which is another kind of conversation.

pub(crate) mod accept;
pub(crate) mod actions;
pub(crate) mod client;
pub(crate) mod clients;
pub(crate) mod command;
pub(crate) mod control;
pub(crate) mod delivery;
pub(crate) mod device;
pub(crate) mod dialect;
pub(crate) mod following;
pub(crate) mod frames;
pub(crate) mod image;
pub(crate) mod lanes;
pub(crate) mod outbox;
pub(crate) mod pace;
pub(crate) mod pv;
pub(crate) mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Caller;
use crate::socket::clients::Clients;
use crate::socket::delivery::Delivery;

/// The open sockets of this process.
#[derive(Debug)]
pub(crate) struct Sockets {
    room: Arc<Semaphore>,
    next: AtomicU64,
    open: Arc<Mutex<HashMap<(Api, SocketKind), usize>>>,
    /// Who they are.
    pub(crate) clients: Clients,
    /// Ends all sessions.
    pub(crate) shutdown: CancellationToken,
    /// Lets the shutdown wait for them.
    pub(crate) sessions: TaskTracker,
}

/// Which API a socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Api {
    /// Direct control's own.
    Direct,
    /// That of ophyd-websocket.
    Oas,
}

impl Api {
    /// The word in metrics and in the audit.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Direct => "direct-control",
            Self::Oas => "ophyd-websocket",
        }
    }
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SocketKind {
    /// `/api/v1/pv-socket`.
    Pv,
    /// `/api/v1/device-socket`.
    Device,
    /// `/api/v1/control-socket`.
    Control,
    /// `/api/v1/camera-socket`, `…-shared` and `/api/v1/tiff-socket`.
    Image,
    /// `/api/v1/qs-console-socket`.
    Console,
    /// `/api/v1/ws`.
    Echo,
    /// `/api/v1/audit` as a stream: no WebSocket, but a client that stays.
    Audit,
}

impl SocketKind {
    /// The word in metrics and in figures.
    fn label(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Device => "device",
            Self::Control => "control",
            Self::Image => "image",
            Self::Console => "console",
            Self::Echo => "echo",
            Self::Audit => "audit",
        }
    }
}

/// The place of one open socket. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Number of the session.
    pub(crate) session: u64,
    /// How well the client takes what it is sent.
    pub(crate) delivery: Arc<Delivery>,
    clients: Clients,
    what: (Api, SocketKind),
    open: Arc<Mutex<HashMap<(Api, SocketKind), usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(open) = self.open.lock().get_mut(&self.what) {
            *open = open.saturating_sub(1);
        }
        gauge(self.what).decrement(1.0);
        self.clients.leave(self.session);
    }
}

fn gauge((api, kind): (Api, SocketKind)) -> metrics::Gauge {
    metrics::gauge!("control_sockets", "dialect" => api.label(), "kind" => kind.label())
}

impl Sockets {
    /// Room for `most` sockets of all kinds together.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            next: AtomicU64::new(1),
            open: Arc::default(),
            clients: Clients::new(),
            shutdown: CancellationToken::new(),
            sessions: TaskTracker::new(),
        }
    }

    /// A place for one more socket, that `caller` opens, if there is room.
    pub(crate) fn enter(&self, api: Api, kind: SocketKind, caller: Arc<Caller>) -> Option<Seat> {
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let what = (api, kind);
        *self.open.lock().entry(what).or_default() += 1;
        gauge(what).increment(1.0);
        let session = self.next.fetch_add(1, Ordering::Relaxed);
        let delivery = self.clients.enter(session, kind, caller);
        let (clients, open) = (self.clients.clone(), Arc::clone(&self.open));
        Some(Seat { session, delivery, clients, what, open, _permit: permit })
    }

    /// Number of open sockets of that kind.
    pub(crate) fn open(&self, api: Api, kind: SocketKind) -> usize {
        self.open.lock().get(&(api, kind)).copied().unwrap_or_default()
    }
}
