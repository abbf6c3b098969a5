//! `Device`: from a name, a class and a prefix to signals, and a verdict on the whole.
//!
//! A device is woken by its own object, by its class, by a lock on it, and by another device that gives
//! up or takes its name.

pub(crate) mod affected;
mod build;
mod dereference;
mod status;
mod validate;

use std::sync::Arc;

use async_trait::async_trait;
use crds::Device;
use crds::claims::Claim;
use crds::conditions::Verdict;
use crds::device_locks::DeviceLocksSpec;
use crds::resolve::Catalogue;

use crate::context::Context;
use crate::controller::Reconcile;
use crate::error::Error;
use crate::index::Index;
use crate::mirror::Mirrored;
use dereference::References;

/// What the `Ready` condition of `device` says, with these classes and beside that rival.
pub(crate) fn verdict(
    device: &Device,
    catalogue: &Arc<Catalogue>,
    rival: Option<Claim>,
) -> Verdict {
    let catalogue = Arc::clone(catalogue);
    validate::validate(device, &References { catalogue, rival, lock: None }).verdict
}

/// The controller of devices.
pub(crate) struct Devices {
    /// The API, events and backoff.
    pub(crate) context: Context,
    /// The device classes.
    pub(crate) catalogue: Mirrored<Catalogue>,
    /// Who owns which device name.
    pub(crate) index: Arc<Index>,
    /// Which plan holds which device.
    pub(crate) locks: Mirrored<DeviceLocksSpec>,
}

#[async_trait]
impl Reconcile for Devices {
    type Object = Device;
    const NAME: &'static str = "device";

    fn context(&self) -> &Context {
        &self.context
    }

    async fn reconcile(&self, device: &Device) -> Result<(), Error> {
        let references = dereference::dereference(self, device);
        let validated = validate::validate(device, &references);
        let wanted = build::build(device, &validated);
        status::update(&self.context, device, &wanted).await
    }
}
