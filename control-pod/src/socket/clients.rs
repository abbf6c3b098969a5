//! Who is connected, and who of them is slow: the names behind the totals of the metrics.

use std::cmp::Ordering::Equal;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::audit::Caller;
use crate::socket::SocketKind;
use crate::socket::delivery::{Delivery, Figures};
use crate::socket::pace::{LOOK, Pace, Reticence, Turn};

/// The open sockets by session. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Clients(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    by_session: BTreeMap<u64, Client>,
    reticence: Reticence,
}

#[derive(Debug)]
struct Client {
    kind: SocketKind,
    caller: Arc<Caller>,
    since: Instant,
    delivery: Arc<Delivery>,
    pace: Pace,
}

/// Figures of one client that does not take everything at once, for people.
#[derive(Debug, Serialize)]
pub(crate) struct SlowClient {
    /// Number of its session.
    pub(crate) session: u64,
    kind: &'static str,
    #[serde(flatten)]
    caller: Arc<Caller>,
    seconds_connected: f64,
    /// Whether it has fallen behind for some time.
    behind: bool,
    overwritten: u64,
    queued: usize,
    queued_bytes: usize,
    seconds_without_progress: f64,
}

impl Clients {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        let reticence = Reticence::new(Instant::now());
        Self(Arc::new(Mutex::new(Table { by_session: BTreeMap::new(), reticence })))
    }

    /// A client has come. What is sent to it is told to the [`Delivery`].
    pub(crate) fn enter(
        &self,
        session: u64,
        kind: SocketKind,
        caller: Arc<Caller>,
    ) -> Arc<Delivery> {
        let delivery = Arc::<Delivery>::default();
        let client = Client {
            kind,
            caller,
            since: Instant::now(),
            delivery: Arc::clone(&delivery),
            pace: Pace::default(),
        };
        self.0.lock().by_session.insert(session, client);
        delivery
    }

    /// A client has gone.
    pub(crate) fn leave(&self, session: u64) {
        let mut table = self.0.lock();
        let Some(client) = table.by_session.remove(&session) else { return };
        if client.pace.is_behind() {
            behind().decrement(1.0);
            let now = client.delivery.figures();
            let end = client.delivery.end().unwrap_or("left");
            if let Some(unsaid) = table.reticence.may_tell(Instant::now()) {
                client.tell(session, &now, unsaid, end, "a client that had fallen behind is gone");
            }
        }
    }

    /// Looks at all clients once, and says who has fallen behind and who keeps up again.
    pub(crate) fn look(&self) {
        let mut table = self.0.lock();
        let Table { by_session, reticence } = &mut *table;
        for (session, client) in by_session {
            let now = client.delivery.figures();
            let Some(turn) = client.pace.look(&now) else { continue };
            let (change, text) = match turn {
                Turn::FellBehind => (1.0, "a client falls behind"),
                Turn::CaughtUp => (-1.0, "a client keeps up again"),
            };
            behind().increment(change);
            if let Some(unsaid) = reticence.may_tell(Instant::now()) {
                client.tell(*session, &now, unsaid, "", text);
            }
        }
    }

    /// The `most` slowest of those that have missed an update or have not taken everything.
    pub(crate) fn slowest(&self, most: usize) -> Vec<SlowClient> {
        let table = self.0.lock();
        let figures = table.by_session.iter().map(|(session, client)| client.figures(*session));
        let mut slow: Vec<_> = figures.filter(SlowClient::is_slow).collect();
        drop(table);
        slow.sort_by(|one, other| other.order().partial_cmp(&one.order()).unwrap_or(Equal));
        slow.truncate(most);
        slow
    }
}

impl Client {
    fn figures(&self, session: u64) -> SlowClient {
        let Figures { overwritten, queued, queued_bytes, stuck } = self.delivery.figures();
        SlowClient {
            session,
            kind: self.kind.label(),
            caller: Arc::clone(&self.caller),
            seconds_connected: self.since.elapsed().as_secs_f64(),
            behind: self.pace.is_behind(),
            overwritten,
            queued,
            queued_bytes,
            seconds_without_progress: stuck.as_secs_f64(),
        }
    }

    /// One line in the log that names the client.
    fn tell(&self, session: u64, now: &Figures, unsaid: u64, end: &str, text: &str) {
        let Caller { api, route, from, user, forwarded_for, agent } = &*self.caller;
        tracing::warn!(
            session,
            api = api.label(),
            route,
            %from,
            user,
            forwarded_for,
            agent,
            overwritten = now.overwritten,
            queued = now.queued,
            queued_bytes = now.queued_bytes,
            seconds_without_progress = now.stuck.as_secs_f64(),
            end,
            unsaid,
            "{text}"
        );
    }
}

impl SlowClient {
    fn is_slow(&self) -> bool {
        self.behind || self.overwritten > 0 || self.seconds_without_progress >= LOOK.as_secs_f64()
    }

    fn order(&self) -> (bool, u64, f64) {
        (self.behind, self.overwritten, self.seconds_without_progress)
    }
}

fn behind() -> metrics::Gauge {
    metrics::gauge!("control_clients_behind")
}
