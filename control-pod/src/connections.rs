//! `Connected` of devices and standalone PVs: whether IOCs answer for them.
//!
//! For every registered object that is switched on, the PVs that tell ([`Subject`]) are connected in the background, so many a
//! second, over the channels that all share and without reading anything: `kubectl get devices` shows an IOC that is off
//! whether or not anybody uses it, and ten thousand idle devices cost their IOCs no traffic. Looking only at what is in use
//! would leave the rest unknown; asking all in turn would load the network more and see a loss later.
//!
//! Of several replicas one does this, the holder of a Lease: what it finds is the same for all. It writes transitions only,
//! after they have lasted ([`steadiness`]), one write at a time for each object and so many a second in all
//! ([`Allowance`]). PVs that flap are never written about more than a few times a minute.

mod allowance;
mod ledger;
mod steadiness;
mod verdict;
mod watched;
mod write;

use std::sync::Arc;
use std::time::Duration;

use crds::conditions::types;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use service::error::with_sources;
use service::lease::{self, Election, Tenure};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::gateway::Pvs;
use crate::registry::objects::Objects;
use crate::registry::{Snapshot, View};
use allowance::Allowance;
use ledger::{Counts, Ledger, News};
use watched::Watched;
use write::WriteError;

/// Name of the lease.
const LEASE: &str = "control-connections";
/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(250);
/// Writes a second, and at once: far less than the API takes, and an IOC of a thousand devices is told of in half a minute.
const WRITES_PER_SECOND: u32 = 50;
const WRITES_AT_ONCE: u32 = 100;
/// Writes under way.
const CONCURRENT_WRITES: usize = 8;
/// Pause after a write that failed.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody else changed what is written.
const COMPARE: Duration = Duration::from_secs(300);

/// What is needed to tell whether devices are connected.
pub(crate) struct Connections {
    /// The API.
    pub(crate) client: Client,
    /// Where the objects are.
    pub(crate) namespace: String,
    /// What is registered.
    pub(crate) registry: View,
    /// The objects as last seen.
    pub(crate) objects: Objects,
    /// The PVs.
    pub(crate) pvs: Pvs,
    /// PVs a second that are newly searched for.
    pub(crate) rate: u32,
    /// Who asks for the lease.
    pub(crate) holder: String,
}

impl Connections {
    /// Stands by and tells, in turn, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let (holder, times) = (self.holder.clone(), lease::Times::default());
        let lease = lease::Settings { name: LEASE.to_owned(), holder, times };
        let mut election = Election::new(&self.client, &self.namespace, lease);
        loop {
            let waiting = |holder: &str| tracing::debug!(holder, "another tells what is connected");
            let mut held = tokio::select! {
                () = shutdown.cancelled() => return,
                held = election.win(waiting) => held,
            };
            tracing::info!(epoch = held.tenure().epoch(), "telling what is connected");
            let tenure = held.tenure();
            let lost = tokio::select! {
                () = shutdown.cancelled() => false,
                _ = held.keep() => true,
                () = Telling::new(&self).run(&tenure) => true,
            };
            if !lost {
                held.release().await;
                return;
            }
        }
    }
}

/// One time of telling.
struct Telling<'a> {
    at: &'a Connections,
    ledger: Ledger,
    watched: Watched,
    searches: Allowance,
    writes: Allowance,
    under_way: FuturesUnordered<BoxFuture<'static, (News, Result<(), WriteError>)>>,
    compared: Instant,
}

impl<'a> Telling<'a> {
    fn new(at: &'a Connections) -> Self {
        let now = Instant::now();
        Self {
            at,
            ledger: Ledger::default(),
            watched: Watched::default(),
            searches: Allowance::new(at.rate, at.rate.max(1), now),
            writes: Allowance::new(WRITES_PER_SECOND, WRITES_AT_ONCE, now),
            under_way: FuturesUnordered::new(),
            compared: now,
        }
    }

    /// Runs until the tenure is over.
    async fn run(mut self, tenure: &Tenure) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known: Option<Arc<Snapshot>> = None;
        loop {
            tokio::select! {
                () = tenure.lost().cancelled() => return,
                Some((pv, up)) = self.watched.next() => {
                    self.ledger.heard(&pv, up, Instant::now());
                }
                Some((news, written)) = self.under_way.next() => self.written(news, written),
                _ = ticks.tick() => {
                    let snapshot = self.at.registry.snapshot();
                    if !known.as_ref().is_some_and(|known| known.is_of_same_objects(&snapshot)) {
                        let unused = self.ledger.follow(snapshot.subjects());
                        unused.iter().for_each(|pv| self.watched.forget(pv));
                        known = Some(snapshot);
                    }
                    self.search();
                    self.look();
                }
            }
            self.write(tenure);
        }
    }

    fn search(&mut self) {
        let now = Instant::now();
        while self.searches.take(now) {
            let Some(pv) = self.ledger.search(1, now).pop() else { break };
            if self.watched.follow(&pv, self.at.pvs.presence(&pv)) {
                self.ledger.heard(&pv, true, now);
            }
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        self.ledger.advance(now);
        if now >= self.compared + COMPARE {
            self.compared = now;
            self.ledger.compare_all();
        }
        show(self.watched.count(), self.ledger.counts());
    }

    fn write(&mut self, tenure: &Tenure) {
        while self.under_way.len() < CONCURRENT_WRITES && self.ledger.is_dirty() {
            if !tenure.is_sure() || !self.writes.take(Instant::now()) {
                return;
            }
            let objects = &self.at.objects;
            let now = Time(Timestamp::now());
            let Some(news) =
                self.ledger.next(|subject| objects.condition(subject, types::CONNECTED), &now)
            else {
                self.writes.give_back();
                return;
            };
            let (client, namespace) = (self.at.client.clone(), self.at.namespace.clone());
            self.under_way.push(Box::pin(async move {
                let written = write::write(&client, &namespace, &news).await;
                (news, written)
            }));
        }
    }

    fn written(&mut self, news: News, written: Result<(), WriteError>) {
        if let Err(error) = written {
            metrics::counter!("control_status_write_failures_total").increment(1);
            let (object, error) = (&news.subject.object, with_sources(&error));
            tracing::warn!(object, error, "cannot write whether it is connected; trying again");
            self.writes.pause(RETRY, Instant::now());
            self.ledger.not_said(&news);
            return;
        }
        let condition = &news.condition;
        metrics::counter!("control_status_writes_total", "status" => condition.status.clone())
            .increment(1);
        tracing::info!(
            kind = ?news.subject.carrier,
            object = news.subject.object,
            connected = condition.status,
            reason = condition.reason,
            message = condition.message,
            "connection changed"
        );
        self.ledger.said(news);
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        // Another replica tells it now.
        show(0, Counts::default());
    }
}

fn show(watched: usize, counts: Counts) {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!("control_connections_watched").set(number(watched));
    metrics::gauge!("control_objects_connected").set(number(counts.connected));
    metrics::gauge!("control_objects_disconnected").set(number(counts.disconnected));
}
