//! One PV, watched once, fanned out to any number of clients.
//!
//! A pump task takes the samples in order, serialises each once per dialect, and puts the same
//! bytes into every client's outbox. The pump is the only one who delivers, and a new client's
//! snapshot is the sample that the pump delivered last, so that no client ever sees a PV go back in
//! time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::Message;
use channels::{Metadata, PvChannel, PvError, Sample};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::socket::frames::{self, Dialect};
use crate::socket::outbox::{Outbox, Slot};

/// Numbers the feeds, so that a client's slots of two PVs never meet.
static NEXT_FEED: AtomicU64 = AtomicU64::new(1);

/// One watched PV.
pub(crate) struct Monitor {
    shared: Arc<Shared>,
    touched: Mutex<Instant>,
    /// Ends the pump when the monitor is dropped.
    _pump: DropGuard,
}

/// What pump and clients share.
struct Shared {
    pv: String,
    frame_limit: usize,
    feeds: Mutex<Feeds>,
    /// Wakes those who wait for the first sample.
    heard: Notify,
}

#[derive(Default)]
struct Feeds {
    /// The sample that was delivered last.
    latest: Option<Arc<Sample>>,
    by_dialect: HashMap<Dialect, Feed>,
}

/// The clients that want the PV in one dialect.
struct Feed {
    id: u64,
    /// Outbox by session.
    clients: HashMap<u64, Arc<Outbox>>,
    /// The latest sample in this dialect, serialised when the first client needs it.
    update: Option<Message>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("pv", &self.shared.pv).finish_non_exhaustive()
    }
}

impl Monitor {
    /// Starts to watch `channel`.
    pub(crate) fn start(
        channel: Arc<dyn PvChannel>,
        frame_limit: usize,
        tasks: &TaskTracker,
    ) -> Self {
        let shared = Arc::new(Shared {
            pv: channel.name().to_owned(),
            frame_limit,
            feeds: Mutex::default(),
            heard: Notify::new(),
        });
        let stop = CancellationToken::new();
        tasks.spawn(pump(channel, Arc::clone(&shared), stop.clone()));
        Self { shared, touched: Mutex::new(Instant::now()), _pump: stop.drop_guard() }
    }

    /// The latest sample, once there has been one; it says whether the IOC is still there.
    pub(crate) fn latest(&self) -> Option<Arc<Sample>> {
        self.shared.feeds.lock().latest.clone()
    }

    /// Whether the IOC serves the PV now.
    pub(crate) fn is_connected(&self) -> bool {
        self.latest().is_some_and(|sample| sample.connected)
    }

    /// Waits for a sample of a connected PV.
    ///
    /// # Errors
    /// [`PvError::NotFound`] when there is none within `timeout`.
    pub(crate) async fn connected(&self, timeout: Duration) -> Result<Arc<Sample>, PvError> {
        let wait = async {
            loop {
                let heard = self.shared.heard.notified();
                if let Some(sample) = self.latest().filter(|sample| sample.connected) {
                    return sample;
                }
                heard.await;
            }
        };
        tokio::time::timeout(timeout, wait)
            .await
            .map_err(|_| PvError::NotFound { pv: self.shared.pv.clone(), timeout })
    }

    /// Sends every sample from now on to the client, in `dialect`, starting with the latest and its
    /// metadata.
    pub(crate) fn subscribe(&self, dialect: &Dialect, session: u64, outbox: &Arc<Outbox>) {
        let mut feeds = self.shared.feeds.lock();
        let feed = feeds.by_dialect.entry(dialect.clone()).or_insert_with(|| Feed {
            id: NEXT_FEED.fetch_add(1, Ordering::Relaxed),
            clients: HashMap::new(),
            update: None,
        });
        feed.clients.insert(session, Arc::clone(outbox));
        self.shared.send_latest(&mut feeds, dialect, outbox, true);
    }

    /// Sends the latest sample once more, with its metadata if wanted.
    pub(crate) fn refresh(&self, dialect: &Dialect, outbox: &Outbox, with_meta: bool) {
        let mut feeds = self.shared.feeds.lock();
        self.shared.send_latest(&mut feeds, dialect, outbox, with_meta);
    }

    /// Sends nothing more to the client, not even what still waits in its outbox.
    pub(crate) fn unsubscribe(&self, dialect: &Dialect, session: u64) {
        let mut feeds = self.shared.feeds.lock();
        let Some(feed) = feeds.by_dialect.get_mut(dialect) else { return };
        if let Some(outbox) = feed.clients.remove(&session) {
            outbox.forget(Slot::Update(feed.id));
            outbox.forget(Slot::Meta(feed.id));
        }
        if feed.clients.is_empty() {
            feeds.by_dialect.remove(dialect);
        }
        drop(feeds);
        self.touch();
    }

    /// The dialects in which somebody follows the PV.
    pub(crate) fn dialects(&self) -> Vec<Dialect> {
        self.shared.feeds.lock().by_dialect.keys().cloned().collect()
    }

    /// Number of subscriptions.
    pub(crate) fn subscribers(&self) -> usize {
        self.shared.feeds.lock().by_dialect.values().map(|feed| feed.clients.len()).sum()
    }

    /// Somebody asked for the PV.
    pub(crate) fn touch(&self) {
        *self.touched.lock() = Instant::now();
    }

    /// Whether nobody follows the PV and nobody has asked for it since `ttl`.
    pub(crate) fn is_idle(&self, ttl: Duration) -> bool {
        self.subscribers() == 0 && self.touched.lock().elapsed() >= ttl
    }
}

impl Shared {
    fn send_latest(&self, feeds: &mut Feeds, dialect: &Dialect, outbox: &Outbox, with_meta: bool) {
        let Some(latest) = feeds.latest.clone() else { return };
        let Some(feed) = feeds.by_dialect.get_mut(dialect) else { return };
        let update = feed
            .update
            .get_or_insert_with(|| frames::update(dialect, &self.pv, &latest, self.frame_limit));
        outbox.put_last(Slot::Update(feed.id), update.clone());
        if with_meta {
            outbox.put_last(Slot::Meta(feed.id), frames::meta(dialect, &self.pv, &latest));
        }
    }

    /// Serialises outside the lock, so that nobody waits while a large array becomes text.
    fn deliver(&self, sample: &Arc<Sample>) {
        let dialects: Vec<Dialect> = self.feeds.lock().by_dialect.keys().cloned().collect();
        let mut updates: HashMap<Dialect, Message> = dialects
            .into_iter()
            .map(|dialect| {
                let frame = frames::update(&dialect, &self.pv, sample, self.frame_limit);
                (dialect, frame)
            })
            .collect();
        let mut feeds = self.feeds.lock();
        let before = feeds.latest.replace(Arc::clone(sample));
        let meta_changed = meta_changed(before.as_deref(), sample);
        for (dialect, feed) in &mut feeds.by_dialect {
            let update = updates
                .remove(dialect)
                .unwrap_or_else(|| frames::update(dialect, &self.pv, sample, self.frame_limit));
            for outbox in feed.clients.values() {
                outbox.put(Slot::Update(feed.id), update.clone());
            }
            feed.update = Some(update);
            if meta_changed {
                let meta = frames::meta(dialect, &self.pv, sample);
                for outbox in feed.clients.values() {
                    outbox.put(Slot::Meta(feed.id), meta.clone());
                }
            }
        }
        drop(feeds);
        self.heard.notify_waiters();
    }
}

/// Metadata is told again when it changed and when a PV comes back.
fn meta_changed(before: Option<&Sample>, now: &Sample) -> bool {
    let Some(before) = before else { return true };
    let same = |a: &Option<Arc<Metadata>>, b: &Option<Arc<Metadata>>| match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
        (None, None) => true,
        _ => false,
    };
    now.connected && (!before.connected || !same(&before.metadata, &now.metadata))
}

/// Takes every sample of the channel to the clients until told to stop.
async fn pump(channel: Arc<dyn PvChannel>, shared: Arc<Shared>, stop: CancellationToken) {
    let mut updates = channel.updates();
    let latest = channel.monitor();
    // What arrived while we looked at the latest sample must not be delivered after it, unless it
    // is newer.
    let first = latest.borrow().clone();
    if let Some(first) = first {
        let mut newer = Vec::new();
        while let Some(sample) = next_waiting(&mut updates) {
            if Arc::ptr_eq(&sample, &first) {
                newer.clear();
            } else {
                newer.push(sample);
            }
        }
        shared.deliver(&first);
        newer.into_iter().for_each(|sample| shared.deliver(&sample));
    }
    loop {
        let sample = tokio::select! {
            () = stop.cancelled() => return,
            sample = updates.recv() => sample,
        };
        match sample {
            Ok(sample) => shared.deliver(&sample),
            Err(RecvError::Lagged(missed)) => {
                metrics::counter!("control_monitor_samples_missed_total").increment(missed);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn next_waiting(
    updates: &mut tokio::sync::broadcast::Receiver<Arc<Sample>>,
) -> Option<Arc<Sample>> {
    loop {
        match updates.try_recv() {
            Ok(sample) => return Some(sample),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
        }
    }
}
