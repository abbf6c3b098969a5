//! How well one client takes what is sent to it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What is known of the way to one client. Written by who sends, read by who looks for slow ones.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    overwritten: AtomicU64,
    queued: AtomicUsize,
    queued_bytes: AtomicUsize,
    sending: Mutex<Option<Instant>>,
    ended: Mutex<Option<&'static str>>,
}

/// The same at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Updates that newer ones replaced before the client had taken them.
    pub(crate) overwritten: u64,
    /// Frames that wait.
    pub(crate) queued: usize,
    /// Their bytes.
    pub(crate) queued_bytes: usize,
    /// How long the client has not taken what is being sent; zero while nothing is.
    pub(crate) stuck: Duration,
}

/// Something is being sent, until this is dropped.
#[derive(Debug)]
pub(crate) struct Sending<'a>(&'a Delivery);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        *self.0.sending.lock() = None;
    }
}

impl Delivery {
    /// A newer update has replaced one.
    pub(crate) fn overwrote(&self) {
        self.overwritten.fetch_add(1, Ordering::Relaxed);
    }

    /// So much waits now.
    pub(crate) fn queue(&self, frames: usize, bytes: usize) {
        self.queued.store(frames, Ordering::Relaxed);
        self.queued_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What follows is a send that takes as long as the client takes.
    pub(crate) fn sending(&self) -> Sending<'_> {
        *self.sending.lock() = Some(Instant::now());
        Sending(self)
    }

    /// The session has ended, in a word for the log.
    pub(crate) fn ended(&self, how: &'static str) {
        *self.ended.lock() = Some(how);
    }

    /// How the session has ended, if it has.
    pub(crate) fn end(&self) -> Option<&'static str> {
        *self.ended.lock()
    }

    /// As it is now.
    pub(crate) fn figures(&self) -> Figures {
        let since = *self.sending.lock();
        Figures {
            overwritten: self.overwritten.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
            stuck: since.map(|since| since.elapsed()).unwrap_or_default(),
        }
    }
}
