//! One write that brings the registry closer to a profile, and why it must not be made.

use crds::{Device, DeviceLocksSpec, locking, managed};
use jiff::Timestamp;

/// One write that brings the registry closer to the profile.
#[derive(Clone, Debug)]
pub enum Change {
    /// The registry does not have it yet.
    Create(Box<Device>),
    /// It is another one now, under the version that was read.
    Replace(Box<Device>),
    /// It is switched on again, and else as it was.
    Enable(Box<Device>),
    /// The profile does not make it.
    Delete(Box<Device>),
}

impl Change {
    /// The device that it is about.
    pub fn device(&self) -> &Device {
        match self {
            Self::Create(device)
            | Self::Replace(device)
            | Self::Enable(device)
            | Self::Delete(device) => device,
        }
    }

    /// Whether the registry has the device afterwards.
    pub fn keeps(&self) -> bool {
        !matches!(self, Self::Delete(_))
    }

    /// Why it must not be made: git would put back what was changed, or a plan holds the device.
    pub fn refusal(&self, locks: Option<&DeviceLocksSpec>, now: Timestamp) -> Option<String> {
        let (device, word) = match self {
            Self::Create(_) | Self::Enable(_) => return None,
            Self::Replace(device) => (device, "updated"),
            Self::Delete(device) => (device, "deleted"),
        };
        let name = &device.spec.name;
        if locks.is_some_and(|table| locking::holder(table, name, now).is_some()) {
            return Some(format!(
                "Device '{name}' is locked and cannot be {word}; unlock it (or wait for the plan to finish) first"
            ));
        }
        let owner = managed::by_git(&device.metadata)?;
        Some(format!("Device '{name}' is synced from git by {owner}; change it there"))
    }
}
