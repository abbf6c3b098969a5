//! Devices without Python: what a device of a catalogued class reads, and how it is set, triggered
//! and stopped (contract §2.6).
//!
//! [`target`] and [`reading`] are pure: which signals there are, what they are called in a reading,
//! how they are described. [`operate`] performs one method, with one file for each way to move
//! something.

pub(crate) mod arrival;
pub(crate) mod call;
pub(crate) mod command;
pub(crate) mod error;
pub(crate) mod motion;
pub(crate) mod motor;
pub(crate) mod operate;
pub(crate) mod positioner;
pub(crate) mod reading;
pub(crate) mod settling;
pub(crate) mod signal;
pub(crate) mod target;
pub(crate) mod wire;

use std::collections::BTreeMap;

use parking_lot::Mutex;

pub(crate) use call::{Call, Method};
pub(crate) use error::DeviceError;
pub(crate) use target::Target;

/// The devices that have been commanded since the start, and how often each was stopped.
#[derive(Debug, Default)]
pub(crate) struct Used(Mutex<BTreeMap<String, u64>>);

impl Used {
    /// A device was commanded.
    pub(crate) fn note(&self, device: &str) {
        let mut stops = self.0.lock();
        if !stops.contains_key(device) {
            stops.insert(device.to_owned(), 0);
        }
    }

    /// A device was stopped: whoever moves it must not call that a success.
    pub(crate) fn note_stop(&self, device: &str) {
        *self.0.lock().entry(device.to_owned()).or_default() += 1;
    }

    /// How often the device has been stopped.
    pub(crate) fn stops(&self, device: &str) -> u64 {
        self.0.lock().get(device).copied().unwrap_or_default()
    }

    /// How many devices have been commanded.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }
}
