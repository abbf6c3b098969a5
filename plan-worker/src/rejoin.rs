//! The connection that outlives its queue pod: looked for again when it is lost, for a bounded time.
//!
//! The welcome of a queue pod says for how long. Until another queue pod of the same or a newer lease epoch says welcome, the worker
//! counts as an orphan: merely reaching one that may have lost its lease does not stop the clock.
//!
//! The first queue pod is tried for a while too: a pod starts before every network plugin knows that policies let it connect.

use std::time::Duration;

use crds::Queue;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::link::{Link, LinkError, Reports};
use crate::protocol::{Command, Order};
use crate::settings::{Settings, Token};

/// How long the first queue pod may be out of reach.
const FIRST: Duration = Duration::from_secs(30);
/// Longest wait for the address of the leader.
const LOOK_UP: Duration = Duration::from_secs(2);
/// Longest wait for one address to admit the worker.
const CONNECT: Duration = Duration::from_secs(3);
/// Pause before each round over all known addresses.
const PAUSE: Duration = Duration::from_millis(300);

/// The connection to whichever queue pod leads.
#[derive(Debug)]
pub struct Connection {
    road: Road,
    line: Line,
    /// Highest epoch that was heard of.
    epoch: i64,
    grace: Duration,
    /// Since when nobody leads this worker.
    orphaned: Option<Instant>,
}

#[derive(Debug)]
enum Line {
    Up(Link),
    Searching(AbortOnDropHandle<Link>),
}

/// How a queue pod is found and persuaded.
#[derive(Clone, Debug)]
struct Road {
    queues: Api<Queue>,
    queue: String,
    address: String,
    token: Token,
    instance: String,
    reports: Reports,
}

impl Connection {
    /// Connects for the first time, within [`FIRST`]. Safe to drop.
    ///
    /// # Errors
    /// [`LinkError`]: the last, when nobody was reached; at once when somebody refused.
    pub async fn open(
        settings: &Settings,
        client: Client,
        namespace: &str,
        reports: Reports,
    ) -> Result<Self, LinkError> {
        let road = Road {
            queues: Api::namespaced(client, namespace),
            queue: String::new(),
            address: settings.connect_to.clone(),
            token: settings.token.clone(),
            instance: Uuid::new_v4().simple().to_string(),
            reports,
        };
        let link = road.first().await?;
        let (line, epoch) = (Line::Up(link), settings.epoch);
        Ok(Self { road, line, epoch, grace: Duration::ZERO, orphaned: None })
    }

    /// The next command; none when there is no leader and the time to look for one is over. Safe to drop.
    pub async fn command(&mut self) -> Option<Command> {
        loop {
            let end = self.orphaned.map(|since| since + self.grace);
            match &mut self.line {
                Line::Up(link) => {
                    let command = match end {
                        Some(end) => timeout_at(end, link.command()).await.ok()?,
                        None => link.command().await,
                    };
                    match command {
                        Some(command) if self.takes(&command) => return Some(command),
                        _ => self.search()?,
                    }
                }
                Line::Searching(search) => {
                    let end = end.unwrap_or_else(Instant::now);
                    let link = timeout_at(end, search).await.ok()?.ok()?;
                    self.line = Line::Up(link);
                }
            }
        }
    }

    /// Whether the connection is one to keep.
    fn takes(&mut self, command: &Command) -> bool {
        let Order::Welcome { queue, orphan_grace_s } = &command.order else { return true };
        if command.epoch < self.epoch {
            let (old, known) = (command.epoch, self.epoch);
            tracing::warn!(old, known, "a queue server of an older lease took the worker");
            return false;
        }
        if self.orphaned.take().is_some() {
            tracing::info!(epoch = command.epoch, "a queue server leads this worker again");
        }
        self.epoch = command.epoch;
        self.road.queue.clone_from(queue);
        self.grace = Duration::from_secs(*orphan_grace_s);
        true
    }

    /// Begins to look for the leader; none when that is not allowed.
    fn search(&mut self) -> Option<()> {
        if self.grace.is_zero() {
            return None;
        }
        if self.orphaned.is_none() {
            let seconds = self.grace.as_secs();
            tracing::warn!(seconds, "no queue server leads this worker; looking for the leader");
            self.orphaned = Some(Instant::now());
        }
        let road = self.road.clone();
        self.line = Line::Searching(AbortOnDropHandle::new(tokio::spawn(road.search())));
        Some(())
    }

    /// Fires when the first connection is lost.
    pub fn lost(&self) -> CancellationToken {
        match &self.line {
            Line::Up(link) => link.lost(),
            Line::Searching(_) => CancellationToken::new(),
        }
    }

    /// Sends what waits, and closes.
    pub async fn close(self) {
        if let Line::Up(link) = self.line {
            link.close().await;
        }
    }
}

impl Road {
    async fn first(&self) -> Result<Link, LinkError> {
        let end = Instant::now() + FIRST;
        loop {
            match self.connect(&self.address).await {
                Err(error) if error.is_unreachable() && Instant::now() < end => {
                    tracing::info!(%error, "trying again to reach the queue server");
                    sleep(PAUSE).await;
                }
                tried => return tried,
            }
        }
    }

    async fn connect(&self, address: &str) -> Result<Link, LinkError> {
        Link::connect(address, &self.token, &self.instance, &self.reports).await
    }

    /// Tries the leader's address and the first one, over and over. Whoever owns this decides when it is enough.
    async fn search(self) -> Link {
        loop {
            sleep(PAUSE).await;
            let leader = self.leader().await;
            let first = Some(self.address.clone()).filter(|first| Some(first) != leader.as_ref());
            for address in leader.into_iter().chain(first) {
                match timeout(CONNECT, self.connect(&address)).await {
                    Ok(Ok(link)) => return link,
                    Ok(Err(error)) => tracing::debug!(address, %error, "not admitted"),
                    Err(_) => tracing::debug!(address, "no answer in time"),
                }
            }
        }
    }

    /// Where the leader of the queue takes workers, as far as that can be read.
    async fn leader(&self) -> Option<String> {
        let queue = timeout(LOOK_UP, self.queues.get(&self.queue)).await.ok()?.ok()?;
        Some(queue.status?.leader?.connect_to)
    }
}
