//! Writing devices and standalone PVs, so that the next read sees them.

use std::sync::Arc;

use crds::device::ACTIVE_ANNOTATION;
use crds::names::object_name;
use crds::{Device, DeviceSpec, ProcessVariable, ProcessVariableSpec};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::{FIELD_MANAGER, StoreError, bounded_call};
use crate::index::Entry;
use crate::registry::Registry;

/// When a standalone PV was last changed through the API, in seconds since 1970.
pub(crate) const UPDATED_AT: &str = "beamline.dev/updated-at";

/// Says how a device came about that is in no manifest.
pub(crate) const CREATED_BY: &str = "beamline.dev/created-by";
/// Over this API: it goes with the next reset.
const REGISTRY: &str = "registry";
/// From the profile: the next reset makes it what the profile says.
pub(crate) const SEEDED: &str = "profile";

/// Whether the device was seeded from a profile.
pub(crate) fn was_seeded(device: &Device) -> bool {
    device.labels().get(CREATED_BY).is_some_and(|by| by == SEEDED)
}

/// Whether the device was created over this API, not from a manifest.
pub(crate) fn was_created_here(device: &Device) -> bool {
    device.labels().get(CREATED_BY).is_some_and(|by| by == REGISTRY)
}

fn post() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn patch() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// The number in a resource version. Versions of one kind can be compared.
fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}

impl Registry {
    /// Stores a new device.
    pub(crate) async fn create_device(&self, spec: DeviceSpec) -> Result<Arc<Entry>, StoreError> {
        let mut device = Device::new(&object_name(&spec.name), spec);
        device.labels_mut().insert(CREATED_BY.to_owned(), REGISTRY.to_owned());
        let stored = bounded_call(self.devices.create(&post(), &device)).await?;
        self.visible(&stored).await
    }

    /// Stores a new spec for the device, which must not have changed since `device` was read.
    pub(crate) async fn replace_device(
        &self,
        device: &Device,
        spec: DeviceSpec,
        active: Option<bool>,
    ) -> Result<Arc<Entry>, StoreError> {
        let mut wanted = Device { spec, ..device.clone() };
        if let Some(active) = active {
            let value = active.to_string();
            wanted.annotations_mut().insert(ACTIVE_ANNOTATION.to_owned(), value);
        }
        let stored =
            bounded_call(self.devices.replace(&device.name_any(), &post(), &wanted)).await?;
        self.visible(&stored).await
    }

    /// Switches a device on or off, outside the fields that git owns.
    pub(crate) async fn set_active(
        &self,
        device: &Device,
        active: bool,
    ) -> Result<Arc<Entry>, StoreError> {
        let value = active.to_string();
        let change = json!({ "metadata": { "annotations": { ACTIVE_ANNOTATION: value } } });
        let name = device.name_any();
        let stored =
            bounded_call(self.devices.patch(&name, &patch(), &Patch::Merge(change))).await?;
        self.visible(&stored).await
    }

    /// Takes back what was switched over this API.
    pub(crate) async fn follow_manifest(&self, device: &Device) -> Result<(), StoreError> {
        if !device.annotations().contains_key(ACTIVE_ANNOTATION) {
            return Ok(());
        }
        let change = json!({ "metadata": { "annotations": { ACTIVE_ANNOTATION: null } } });
        let name = device.name_any();
        let stored =
            bounded_call(self.devices.patch(&name, &patch(), &Patch::Merge(change))).await?;
        self.visible(&stored).await?;
        Ok(())
    }

    /// The device as the API has it now.
    pub(crate) async fn fresh_device(&self, object: &str) -> Result<Device, StoreError> {
        bounded_call(self.devices.get(object)).await
    }

    /// Deletes this very device, not one that was created under its name meanwhile.
    pub(crate) async fn delete_device(&self, device: &Device) -> Result<(), StoreError> {
        let preconditions = Preconditions { uid: device.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(preconditions);
        let object = device.name_any();
        match bounded_call(self.devices.delete(&object, &params)).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
        let uid = device.uid();
        self.wait_until(|index| index.object(&object).is_none_or(|now| now.uid() != uid)).await
    }

    /// Waits until the index has `stored`, and answers it as the API shows it.
    async fn visible(&self, stored: &Device) -> Result<Arc<Entry>, StoreError> {
        let (object, wanted) = (stored.name_any(), version(stored));
        self.wait_until(|index| {
            index.object(&object).is_some_and(|now| version(now.as_ref()) >= wanted)
        })
        .await?;
        self.look(|index| index.device(&stored.spec.name).cloned()).ok_or(StoreError::Unseen)
    }

    /// Stores a new standalone PV.
    pub(crate) async fn create_pv(&self, spec: ProcessVariableSpec) -> Result<(), StoreError> {
        let pv = ProcessVariable::new(&object_name(&spec.pv_name), spec);
        let stored = bounded_call(self.pvs.create(&post(), &pv)).await?;
        self.pv_visible(&stored).await
    }

    /// Stores a new spec for a standalone PV, which must not have changed since `pv` was read.
    pub(crate) async fn replace_pv(
        &self,
        pv: &ProcessVariable,
        spec: ProcessVariableSpec,
    ) -> Result<(), StoreError> {
        let mut wanted = ProcessVariable { spec, ..pv.clone() };
        let now = jiff::Timestamp::now().as_duration().as_secs_f64().to_string();
        wanted.annotations_mut().insert(UPDATED_AT.to_owned(), now);
        let stored = bounded_call(self.pvs.replace(&pv.name_any(), &post(), &wanted)).await?;
        self.pv_visible(&stored).await
    }

    /// The standalone PV as the API has it now; none when it is gone.
    pub(crate) async fn fresh_pv(
        &self,
        pv: &ProcessVariable,
    ) -> Result<Option<ProcessVariable>, StoreError> {
        bounded_call(self.pvs.get_opt(&pv.name_any())).await
    }

    /// Deletes a standalone PV.
    pub(crate) async fn delete_pv(&self, pv: &ProcessVariable) -> Result<(), StoreError> {
        let preconditions = Preconditions { uid: pv.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(preconditions);
        match bounded_call(self.pvs.delete(&pv.name_any(), &params)).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
        let (name, uid) = (&pv.spec.pv_name, pv.uid());
        self.wait_until(|index| index.standalone_pv(name).is_none_or(|now| now.uid() != uid)).await
    }

    async fn pv_visible(&self, stored: &ProcessVariable) -> Result<(), StoreError> {
        let (name, wanted) = (&stored.spec.pv_name, version(stored));
        self.wait_until(|index| {
            index.standalone_pv(name).is_some_and(|now| version(now.as_ref()) >= wanted)
        })
        .await
    }
}
