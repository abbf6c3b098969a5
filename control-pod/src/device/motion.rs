//! Moving something that says when it is done.

use channels::motion::{Ending, follow};
use channels::{PvValue, Want};
use futures::FutureExt;

use crate::device::arrival::has_arrived;
use crate::device::target::Part;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError};

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

impl Motion<'_> {
    /// Moves to `position` and returns when the motion is over, wherever it ended.
    ///
    /// # Errors
    /// [`DeviceError::NotConnected`], or [`DeviceError::Failed`] when the IOC refuses the position, does nothing with it, or is
    /// lost on the way.
    pub(crate) async fn run(
        &self,
        wire: &Wire<'_>,
        position: PvValue,
        call: &Call,
    ) -> Result<(), DeviceError> {
        let done = wire.connected(&self.done.read_pv).await?;
        let readback = match self.readback {
            Some(part) => Some(wire.connected(&part.read_pv).await?),
            None => None,
        };
        let put =
            wire.put(&self.setpoint.write_pv, position.clone(), call.put_mode(), call.timeout);
        let at_target = || self.is_there(wire, &position).boxed();
        let name = &wire.target.name;
        match follow(done.as_ref(), readback.as_deref(), put, at_target).await? {
            Ending::Rests => Ok(()),
            Ending::NeverStarted => {
                Err(DeviceError::Failed(format!("{name}.set failed: the motion did not start")))
            }
            Ending::Lost => {
                let text = format!("{name}.set failed: PV {} is gone", self.done.read_pv);
                Err(DeviceError::Failed(text))
            }
        }
    }

    async fn is_there(
        &self,
        wire: &Wire<'_>,
        position: &PvValue,
    ) -> Result<Option<bool>, DeviceError> {
        let Some(part) = self.readback else { return Ok(None) };
        let sample = wire.get(&part.read_pv, Want::Control).await?;
        Ok(Some(has_arrived(position, &sample)))
    }
}
