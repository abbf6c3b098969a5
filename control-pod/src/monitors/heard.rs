//! What was heard last of a PV, and of the PV that sets it where that is another one. Plain data.

use std::sync::Arc;

use channels::Sample;

/// The latest of a PV.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Of the PV that is read.
    pub(crate) sample: Arc<Sample>,
    /// Of the PV that is written.
    pub(crate) setpoint: Setpoint,
}

/// The PV that is written.
#[derive(Clone, Debug)]
pub(crate) enum Setpoint {
    /// The one that is read.
    Same,
    /// Another one, once it has been heard.
    Other(Option<Arc<Sample>>),
}

impl Heard {
    /// Whether everything that belongs to it is connected.
    pub(crate) fn connected(&self) -> bool {
        let setpoint = match &self.setpoint {
            Setpoint::Same => true,
            Setpoint::Other(sample) => sample.as_ref().is_some_and(|sample| sample.connected),
        };
        self.sample.connected && setpoint
    }

    /// The sample of the PV that is written; none while that has not been heard.
    pub(crate) fn written(&self) -> Option<&Arc<Sample>> {
        match &self.setpoint {
            Setpoint::Same => Some(&self.sample),
            Setpoint::Other(sample) => sample.as_ref(),
        }
    }

    /// The sample of the PV that is written, where that is another one.
    pub(crate) fn other(&self) -> Option<&Arc<Sample>> {
        match &self.setpoint {
            Setpoint::Same => None,
            Setpoint::Other(sample) => sample.as_ref(),
        }
    }
}
