//! One PV, watched once, fanned out to any number of clients.
//!
//! A pump task takes the samples in order, serialises each once per dialect, and puts the same
//! bytes into every client's outbox. The pump is the only one who delivers, and a new client's
//! snapshot is the sample that the pump delivered last, so that no client ever sees a PV go back in
//! time.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::Message;
use channels::{PvChannel, PvError, Sample};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::monitors::heard::{Heard, Setpoint};
use crate::monitors::load::Load;
use crate::socket::dialect::Dialect;
use crate::socket::outbox::{Outbox, Slot};

/// A PV of which nothing has been heard for so long is said to be disconnected.
const SILENCE: Duration = Duration::from_secs(1);

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
    load: Load,
    /// Wakes those who wait for the first sample.
    heard: Notify,
}

#[derive(Default)]
struct Feeds {
    /// What was delivered last.
    latest: Option<Heard>,
    /// Nothing has been heard for [`SILENCE`].
    silent: bool,
    by_dialect: HashMap<Dialect, Feed>,
}

/// The clients that want the PV in one dialect.
struct Feed {
    id: u64,
    /// Outbox by session.
    clients: HashMap<u64, Arc<Outbox>>,
    /// The latest sample in this dialect, serialised when the first client needs it; nothing where
    /// the dialect does not tell it.
    update: Option<Option<Message>>,
}

impl Feed {
    /// Tells all clients. How many of them had not taken the update before.
    fn tell(&self, dialect: &Dialect, update: Option<&Message>, meta: Option<&Message>) -> u64 {
        let mut overwritten = 0;
        let (update_slot, meta_slot) = (Slot::Update(self.id), Slot::Meta(self.id));
        for outbox in self.clients.values() {
            match (update, meta) {
                (update, Some(meta)) if dialect.meta_leads() => {
                    outbox.put_last(meta_slot, meta.clone());
                    update.into_iter().for_each(|it| outbox.put_last(update_slot, it.clone()));
                }
                (update, meta) => {
                    let late = update.is_some_and(|it| outbox.put(update_slot, it.clone()));
                    overwritten += u64::from(late);
                    if let Some(meta) = meta {
                        outbox.put(meta_slot, meta.clone());
                    }
                }
            }
        }
        overwritten
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("pv", &self.shared.pv).finish_non_exhaustive()
    }
}

impl Monitor {
    /// Starts to watch `channel`, and with it the PV that sets it where that is another one.
    pub(crate) fn start(
        channel: Arc<dyn PvChannel>,
        setpoint: Option<Arc<dyn PvChannel>>,
        frame_limit: usize,
        tasks: &TaskTracker,
    ) -> Self {
        let shared = Arc::new(Shared {
            pv: channel.name().to_owned(),
            frame_limit,
            feeds: Mutex::default(),
            load: Load::default(),
            heard: Notify::new(),
        });
        let stop = CancellationToken::new();
        tasks.spawn(pump(channel, setpoint, Arc::clone(&shared), stop.clone()));
        Self { shared, touched: Mutex::new(Instant::now()), _pump: stop.drop_guard() }
    }

    /// EPICS name.
    pub(crate) fn pv(&self) -> &str {
        &self.shared.pv
    }

    /// The latest sample, once there has been one; it says whether the IOC is still there.
    pub(crate) fn latest(&self) -> Option<Arc<Sample>> {
        self.heard().map(|heard| heard.sample)
    }

    /// The same with what sets the PV.
    pub(crate) fn heard(&self) -> Option<Heard> {
        self.shared.feeds.lock().latest.clone()
    }

    /// Whether the IOC serves the PV now.
    pub(crate) fn is_connected(&self) -> bool {
        self.heard().is_some_and(|heard| heard.connected())
    }

    /// Waits until the PV is connected, and what sets it.
    ///
    /// # Errors
    /// [`PvError::NotFound`] when there is none within `timeout`.
    pub(crate) async fn connected(&self, timeout: Duration) -> Result<Arc<Sample>, PvError> {
        let wait = async {
            loop {
                let heard = self.shared.heard.notified();
                if let Some(heard) = self.heard().filter(Heard::connected) {
                    return heard.sample;
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

    /// Whether the client of that session follows the PV.
    pub(crate) fn is_followed_by(&self, session: u64) -> bool {
        let feeds = self.shared.feeds.lock();
        feeds.by_dialect.values().any(|feed| feed.clients.contains_key(&session))
    }

    /// What the PV costs.
    pub(crate) fn load(&self) -> &Load {
        &self.shared.load
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
        let Some(feed) = feeds.by_dialect.get_mut(dialect) else { return };
        let (update_slot, meta_slot) = (Slot::Update(feed.id), Slot::Meta(feed.id));
        let Some(latest) = &feeds.latest else {
            if feeds.silent {
                let silence = dialect.silence(&self.pv);
                silence.into_iter().for_each(|silence| outbox.put_last(meta_slot, silence));
            }
            return;
        };
        let meta = if with_meta { dialect.meta(&self.pv, latest) } else { None };
        let update = feed
            .update
            .get_or_insert_with(|| dialect.update(&self.pv, latest, self.frame_limit))
            .clone();
        let mut frames = [(update_slot, update), (meta_slot, meta)];
        if dialect.meta_leads() {
            frames.reverse();
        }
        for (slot, frame) in frames {
            frame.into_iter().for_each(|frame| outbox.put_last(slot, frame));
        }
    }

    /// Serialises outside the lock, so that nobody waits while a large array becomes text.
    fn deliver(&self, heard: &Heard, is_new: bool) {
        let dialects: Vec<Dialect> = self.feeds.lock().by_dialect.keys().cloned().collect();
        let mut updates: HashMap<Dialect, Option<Message>> = dialects
            .into_iter()
            .map(|dialect| {
                let frame = dialect.update(&self.pv, heard, self.frame_limit);
                (dialect, frame)
            })
            .collect();
        let mut feeds = self.feeds.lock();
        let before = feeds.latest.replace(heard.clone());
        for (dialect, feed) in &mut feeds.by_dialect {
            let update = updates
                .remove(dialect)
                .unwrap_or_else(|| dialect.update(&self.pv, heard, self.frame_limit));
            let meta_due = dialect.meta_due(before.as_ref(), heard);
            let meta = if meta_due { dialect.meta(&self.pv, heard) } else { None };
            let late = feed.tell(dialect, update.as_ref().filter(|_| is_new), meta.as_ref());
            self.load.overwrote(late);
            feed.update = Some(update);
        }
        drop(feeds);
        self.load.updated();
        self.heard.notify_waiters();
    }

    /// Nobody answers for the PV.
    fn fall_silent(&self) {
        let mut feeds = self.feeds.lock();
        feeds.silent = true;
        for (dialect, feed) in &feeds.by_dialect {
            feed.tell(dialect, None, dialect.silence(&self.pv).as_ref());
        }
    }
}

/// Every sample of a channel, in order.
struct Samples {
    channel: Arc<dyn PvChannel>,
    updates: Receiver<Arc<Sample>>,
}

impl Samples {
    fn of(channel: Arc<dyn PvChannel>) -> Self {
        Self { updates: channel.updates(), channel }
    }

    /// The latest sample and what came after it. What arrived while it was looked at must not be
    /// delivered after it, unless it is newer.
    fn waiting(&mut self) -> Vec<Arc<Sample>> {
        let Some(first) = self.channel.monitor().borrow().clone() else { return Vec::new() };
        let mut samples = vec![Arc::clone(&first)];
        loop {
            match self.updates.try_recv() {
                Ok(sample) if Arc::ptr_eq(&sample, &first) => samples.truncate(1),
                Ok(sample) => samples.push(sample),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return samples,
            }
        }
    }

    /// The next sample; none when there will be none. Cancellation safe.
    async fn next(&mut self) -> Option<Arc<Sample>> {
        loop {
            match self.updates.recv().await {
                Ok(sample) => return Some(sample),
                Err(RecvError::Lagged(missed)) => {
                    metrics::counter!("control_monitor_samples_missed_total").increment(missed);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Takes every sample of the channel to the clients until told to stop.
async fn pump(
    channel: Arc<dyn PvChannel>,
    setpoint: Option<Arc<dyn PvChannel>>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let mut readbacks = Samples::of(channel);
    let mut setpoints = setpoint.map(Samples::of);
    let mut setpoint = match &mut setpoints {
        Some(samples) => Setpoint::Other(samples.waiting().pop()),
        None => Setpoint::Same,
    };
    let mut latest: Option<Arc<Sample>> = None;
    for sample in readbacks.waiting() {
        latest = Some(Arc::clone(&sample));
        shared.deliver(&Heard { sample, setpoint: setpoint.clone() }, true);
    }
    let mut silence = pin!(sleep(SILENCE));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            sample = readbacks.next() => {
                let Some(sample) = sample else { return };
                latest = Some(Arc::clone(&sample));
                shared.deliver(&Heard { sample, setpoint: setpoint.clone() }, true);
            }
            sample = next_of(&mut setpoints) => {
                setpoint = Setpoint::Other(Some(sample));
                if let Some(sample) = latest.clone() {
                    shared.deliver(&Heard { sample, setpoint: setpoint.clone() }, false);
                }
            }
            () = &mut silence, if latest.is_none() && !silence.is_elapsed() => shared.fall_silent(),
        }
    }
}

/// The next sample, where there are any.
async fn next_of(samples: &mut Option<Samples>) -> Arc<Sample> {
    if let Some(samples) = samples
        && let Some(sample) = samples.next().await
    {
        return sample;
    }
    std::future::pending().await
}
