//! One device as the index keeps it.

use std::sync::Arc;

use crds::Device;
use crds::resolve::{self, Catalogue};
use kube::ResourceExt;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::device::words::Words;
use crate::device::{self, DeviceInstantiationSpec, DeviceMetadata};

/// One device, completed from its class.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The object as the Kubernetes API has it, but for what [`crds::claimants::Claimant::trimmed`] takes away.
    pub(crate) object: Arc<Device>,
    /// What the API shows of it: the same for all states of the object that look the same.
    pub(crate) shown: Arc<Shown>,
}

/// What the API shows of one device.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) metadata: DeviceMetadata,
    pub(crate) spec: DeviceInstantiationSpec,
    /// Prefix of its PVs, by the rules of contract §1.4.
    pub(crate) prefix: Option<String>,
    /// Fingerprint of all that the API shows of it.
    pub(crate) digest: String,
    /// `metadata` and `spec` in JSON, as answers are made of.
    pub(crate) metadata_json: Box<RawValue>,
    pub(crate) spec_json: Box<RawValue>,
}

impl Shown {
    pub(super) fn new(object: &Device, catalogue: &Catalogue, words: &mut Words) -> Self {
        let metadata = DeviceMetadata::of(&object.spec, catalogue, words);
        let spec = DeviceInstantiationSpec::of(object);
        let (metadata_json, spec_json) = (json(&metadata), json(&spec));
        Self {
            digest: device::digest(&metadata_json, &spec_json),
            prefix: resolve::prefix(&object.spec).or_else(|| common_prefix(&metadata)),
            metadata,
            spec,
            metadata_json,
            spec_json,
        }
    }
}

/// Text members only: what cannot be written does not occur.
fn json(part: &impl Serialize) -> Box<RawValue> {
    to_raw_value(part).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The longest start that all PVs of a device share.
fn common_prefix(metadata: &DeviceMetadata) -> Option<String> {
    let mut pvs = metadata.pvs.values();
    let first = pvs.next()?.to_string();
    let shared = pvs.fold(first, |shared, pv| {
        let both = shared.chars().zip(pv.chars());
        both.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    });
    (!shared.is_empty()).then_some(shared)
}

/// Whether two states of an object look the same to every reader.
pub(super) fn is_alike(one: &Device, other: &Device) -> bool {
    one.uid() == other.uid()
        && one.name_any() == other.name_any()
        && one.creation_timestamp() == other.creation_timestamp()
        && one.is_active() == other.is_active()
        && one.spec == other.spec
}
