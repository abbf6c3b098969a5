//! Who wrote what: one [`Record`] for every command that writes or was meant to, over whatever road
//! it came and however it ended. Ours, not published upstream.
//!
//! Nothing is written without an [`Attempt`], which becomes a record when it ends, or when it is
//! dropped. A record is a log line for each PV (target `audit`); the last ones are kept, and
//! passed on to those who listen.

pub(crate) mod attempt;
pub(crate) mod caller;
pub(crate) mod ending;
pub(crate) mod record;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

pub(crate) use attempt::Attempt;
pub(crate) use caller::Caller;
pub(crate) use ending::{Ending, Outcome};
pub(crate) use record::Record;

use crate::audit::record::{Asked, bounded};
use crate::device::Method;
use crate::device::command::Command;
use crate::gate::Refusal;

/// Records that a slow listener may lag behind.
const BACKLOG: usize = 256;

/// The records of this process. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Audit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Most records that are kept.
    keep: usize,
    next: AtomicU64,
    kept: Mutex<VecDeque<Arc<Record>>>,
    news: broadcast::Sender<Arc<Record>>,
}

impl Audit {
    /// None yet; the last `keep` are kept.
    pub(crate) fn new(keep: usize) -> Self {
        Self(Arc::new(Shared {
            keep,
            next: AtomicU64::new(1),
            kept: Mutex::default(),
            news: broadcast::Sender::new(BACKLOG),
        }))
    }

    /// A client wants to write a PV.
    pub(crate) fn put(&self, caller: &Arc<Caller>, pv: &str, value: &Value) -> Attempt {
        let asked =
            Asked { pv: Some(pv.to_owned()), value: Some(bounded(value)), ..Asked::to("put") };
        self.begin(Some(caller), asked, true)
    }

    /// A client commands a device. Where the method only reads there will be no record, unless
    /// something is written all the same.
    pub(crate) fn command(&self, caller: &Arc<Caller>, command: &Command) -> Attempt {
        let method = Method::parse(&command.method).ok();
        let asked = Asked {
            device: Some(command.path.clone()),
            value: command.arguments.value().map(bounded),
            ..Asked::to(method.map_or("unknown", Method::name))
        };
        self.begin(Some(caller), asked, method.is_some_and(Method::writes))
    }

    /// A command was refused before more of it was looked at than what it says of itself.
    pub(crate) fn refused_unread(
        &self,
        caller: &Arc<Caller>,
        body: &Map<String, Value>,
        refusal: &Refusal,
    ) {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let method = text("method").map(|method| Method::parse(&method));
        let action = match &method {
            None => "put",
            Some(Ok(method)) if method.writes() => method.name(),
            Some(_) => return,
        };
        let value = ["value", "caputs", "args"].iter().find_map(|key| body.get(*key)).map(bounded);
        let (pv, device) = (text("pv_name"), text("device_name"));
        let asked = Asked { pv, device, value, ..Asked::to(action) };
        self.begin(Some(caller), asked, true).end(Ending::refused(refusal.word(), refusal));
    }

    /// Something is read that no client has commanded.
    pub(crate) fn reading(&self, device: &str) -> Attempt {
        let asked = Asked { device: Some(device.to_owned()), ..Asked::to(Method::Read.name()) };
        self.begin(None, asked, false)
    }

    fn begin(&self, caller: Option<&Arc<Caller>>, asked: Asked, writes: bool) -> Attempt {
        Attempt::begin(self.clone(), caller.cloned(), asked, writes)
    }

    /// A number for a record.
    fn number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells of a record. One of the same number, about what was still under way, goes.
    fn tell(&self, record: Record) {
        record.log();
        let record = Arc::new(record);
        if self.0.keep > 0 {
            let mut kept = self.0.kept.lock();
            kept.retain(|known| known.id != record.id);
            while kept.len() >= self.0.keep {
                kept.pop_front();
            }
            kept.push_back(Arc::clone(&record));
        }
        // Nobody listening is no failure.
        let _ = self.0.news.send(record);
    }

    /// Whether records are kept and passed on.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.keep > 0
    }

    /// The last records, newest first.
    pub(crate) fn latest(&self, limit: usize) -> Vec<Arc<Record>> {
        self.0.kept.lock().iter().rev().take(limit).cloned().collect()
    }

    /// Every record from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Record>> {
        self.0.news.subscribe()
    }
}
