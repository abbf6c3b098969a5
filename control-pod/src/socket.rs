//! The WebSockets (contract §2.8 to §2.11).
//!
//! [`session`] runs one connection over any sink and stream; [`pv`] and [`device`] are the two
//! protocols on top of it. [`outbox`] and [`frames`] are what the shared monitors write into.
//! [`image`] shows cameras, which is another kind of conversation.

pub(crate) mod accept;
pub(crate) mod command;
pub(crate) mod device;
pub(crate) mod frames;
pub(crate) mod image;
pub(crate) mod lanes;
pub(crate) mod outbox;
pub(crate) mod pv;
pub(crate) mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The open sockets of this process.
#[derive(Debug)]
pub(crate) struct Sockets {
    room: Arc<Semaphore>,
    next: AtomicU64,
    pv_sockets: Arc<AtomicUsize>,
    device_sockets: Arc<AtomicUsize>,
    image_sockets: Arc<AtomicUsize>,
    /// Ends all sessions.
    pub(crate) shutdown: CancellationToken,
    /// Lets the shutdown wait for them.
    pub(crate) sessions: TaskTracker,
}

/// Which protocol a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    /// `/api/v1/pv-socket`.
    Pv,
    /// `/api/v1/device-socket`.
    Device,
    /// `/api/v1/camera-socket`, `…-shared` and `/api/v1/tiff-socket`.
    Image,
}

impl SocketKind {
    fn label(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Device => "device",
            Self::Image => "image",
        }
    }
}

/// The place of one open socket. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Number of the session.
    pub(crate) session: u64,
    kind: SocketKind,
    counter: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("control_sockets", "kind" => self.kind.label()).decrement(1.0);
    }
}

impl Sockets {
    /// Room for `most` sockets of all kinds together.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            next: AtomicU64::new(1),
            pv_sockets: Arc::default(),
            device_sockets: Arc::default(),
            image_sockets: Arc::default(),
            shutdown: CancellationToken::new(),
            sessions: TaskTracker::new(),
        }
    }

    /// A place for one more socket, if there is room.
    pub(crate) fn enter(&self, kind: SocketKind) -> Option<Seat> {
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let counter = Arc::clone(self.counter(kind));
        counter.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("control_sockets", "kind" => kind.label()).increment(1.0);
        let session = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Seat { session, kind, counter, _permit: permit })
    }

    /// Number of open sockets of that kind.
    pub(crate) fn open(&self, kind: SocketKind) -> usize {
        self.counter(kind).load(Ordering::Relaxed)
    }

    fn counter(&self, kind: SocketKind) -> &Arc<AtomicUsize> {
        match kind {
            SocketKind::Pv => &self.pv_sockets,
            SocketKind::Device => &self.device_sockets,
            SocketKind::Image => &self.image_sockets,
        }
    }
}
