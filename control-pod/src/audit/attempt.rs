//! One command that writes, from its arrival to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use channels::{PvChannel, PvValue};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::audit::record::{Asked, Write, bounded, bounded_text};
use crate::audit::{Audit, Caller, Ending, Outcome, Record};
use crate::values::json::Json;

/// What is not done after so long is told of before it ends.
const LONG: Duration = Duration::from_secs(1);
/// Most PVs of one command that are told of.
const MOST_WRITES: usize = 32;

/// A command that writes. It becomes a [`Record`] when it ends; dropping it means that nobody
/// waited for its end.
#[derive(Debug)]
pub(crate) struct Attempt {
    audit: Audit,
    id: u64,
    caller: Option<Arc<Caller>>,
    asked: Asked,
    came: Timestamp,
    since: Instant,
    /// Whether it is told of although nothing was written.
    is_told: bool,
    /// Whether its end has been told.
    has_ended: bool,
    writes: Mutex<Vec<Write>>,
}

impl Attempt {
    pub(super) fn begin(
        audit: Audit,
        caller: Option<Arc<Caller>>,
        asked: Asked,
        is_told: bool,
    ) -> Self {
        Self {
            id: audit.number(),
            audit,
            caller,
            asked,
            came: Timestamp::now(),
            since: Instant::now(),
            is_told,
            has_ended: false,
            writes: Mutex::default(),
        }
    }

    /// `value` is about to be handed to the PV. What the PV shows is taken from its monitor, if there is one: nothing is
    /// waited for.
    pub(crate) fn writes(&self, channel: &dyn PvChannel, value: &PvValue) {
        let mut writes = self.writes.lock();
        if writes.len() >= MOST_WRITES {
            return;
        }
        let shown = channel.monitor().borrow().clone().filter(|sample| sample.connected);
        writes.push(Write {
            pv: channel.name().to_owned(),
            old: shown.map(|sample| bounded(&Json(&sample.value))),
            new: bounded(&Json(value)),
        });
    }

    /// Does the work of this attempt; tells of it when it takes long.
    pub(crate) async fn watched<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = sleep(LONG) => self.tell(Ending::plain(Outcome::Pending)),
        }
        work.await
    }

    /// What direct control does by itself because of this command: another attempt.
    pub(crate) fn followed_by(&self, action: &'static str, cause: &'static str) -> Self {
        let asked =
            Asked { device: self.asked.device.clone(), cause: Some(cause), ..Asked::to(action) };
        Self::begin(self.audit.clone(), self.caller.clone(), asked, true)
    }

    /// It is over.
    pub(crate) fn end(mut self, ending: impl Into<Ending>) {
        self.has_ended = true;
        self.tell(ending.into());
    }

    fn tell(&self, ending: Ending) {
        let writes = self.writes.lock().clone();
        if !self.is_told && writes.is_empty() {
            return;
        }
        let Ending { outcome, reason, message } = ending;
        let Asked { action, pv, device, value, cause } = self.asked.clone();
        self.audit.tell(Record {
            id: self.id,
            time: format!("{:.6}", self.came),
            caller: self.caller.clone(),
            action,
            pv,
            device,
            value,
            cause,
            writes,
            outcome,
            reason,
            message: message.map(bounded_text),
            seconds: self.since.elapsed().as_secs_f64(),
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tell(Ending::plain(Outcome::Abandoned));
        }
    }
}
