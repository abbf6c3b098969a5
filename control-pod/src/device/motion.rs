//! Moving something that says when it is done: put the setpoint, then wait for "moving" and "done"
//! in that order.
//!
//! Some IOCs complete the put when the motion ends (motor records), others at once. So the end is:
//! the put is complete, and either the done signal has gone through "moving" to "done", or it says
//! "done" and the readback already shows the position.

use std::pin::pin;
use std::sync::Arc;

use channels::{PutMode, PvValue, Sample, Want};
use tokio::sync::broadcast::error::RecvError;

use crate::device::arrival::has_arrived;
use crate::device::target::Part;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError};

/// What the done signal shows when nothing moves.
const DONE: f64 = 1.0;

/// The signals of a motion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion<'a> {
    /// Takes the position.
    pub(crate) setpoint: &'a Part,
    /// Says whether the motion is over.
    pub(crate) done: &'a Part,
    /// Shows the position, where there is one.
    pub(crate) readback: Option<&'a Part>,
}

/// What has been seen of the done signal.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    moving: bool,
    done: bool,
}

impl Seen {
    fn note(&mut self, sample: &Sample) {
        self.done = sample.connected && sample.value.as_f64() == Some(DONE);
        self.moving |= sample.connected && !self.done;
    }
}

impl Motion<'_> {
    /// Moves to `position` and returns when the motion is over, wherever it ended.
    ///
    /// # Errors
    /// [`DeviceError::NotConnected`], or [`DeviceError::Failed`] when the IOC refuses the position.
    pub(crate) async fn run(
        &self,
        wire: &Wire<'_>,
        position: PvValue,
        call: &Call,
    ) -> Result<(), DeviceError> {
        let done = wire.connected(&self.done.read_pv).await?;
        let mut changes = done.updates();
        let mut latest = done.monitor();
        // Without a first sample the next one could be the end of the move, unseen as such.
        first(&mut latest).await;
        let mut readback = match self.readback {
            Some(part) => Some(wire.connected(&part.read_pv).await?.monitor()),
            None => None,
        };
        let put =
            wire.put(&self.setpoint.write_pv, position.clone(), PutMode::Completion, call.timeout);
        let mut put = pin!(put);
        let mut completed = false;
        let mut seen = Seen::default();
        loop {
            tokio::select! {
                result = &mut put, if !completed => {
                    result?;
                    completed = true;
                    if !seen.moving {
                        seen.note(&wire.get(&self.done.read_pv, Want::Time).await?);
                    }
                }
                change = changes.recv() => match change {
                    Ok(sample) => seen.note(&sample),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => {
                        let text = format!("{}: the done signal is gone", wire.target.name);
                        return Err(DeviceError::Failed(text));
                    }
                },
                () = next(&mut readback) => {}
            }
            if !completed || !seen.done {
                continue;
            }
            if seen.moving || self.is_there(wire, &position).await? {
                return Ok(());
            }
        }
    }

    async fn is_there(&self, wire: &Wire<'_>, position: &PvValue) -> Result<bool, DeviceError> {
        let Some(part) = self.readback else { return Ok(true) };
        let sample = wire.get(&part.read_pv, Want::Control).await?;
        Ok(has_arrived(position, &sample))
    }
}

type Latest = tokio::sync::watch::Receiver<Option<Arc<Sample>>>;

async fn first(latest: &mut Latest) {
    // An error says that the channel is gone; whoever waits for its updates learns that as well.
    let _ = latest.wait_for(Option::is_some).await;
}

/// The next readback; never without one.
async fn next(readback: &mut Option<Latest>) {
    let changed = match readback {
        Some(latest) => latest.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}
