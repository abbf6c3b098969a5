//! A device as the configuration API shows it: metadata and instantiation spec (contract §1.3).
//!
//! What the spec of the resource leaves out is derived from the device's class, so that a manifest
//! of four lines answers like a full happi entry.

pub(crate) mod create;
pub(crate) mod update;
pub(crate) mod words;

use std::sync::Arc;

use crds::device::{DeviceLabel, Framework};
use crds::device_class::Kind;
use crds::resolve::{self, Catalogue, ResolvedDevice, Signal};
use crds::{Device, DeviceSpec};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use words::Words;

use crate::vocabulary;

/// The words of [`DeviceLabel`] on the wire, in the order in which errors list them.
pub(crate) const LABELS: &[&str] = &["motor", "detector", "signal", "flyer", "readable", "device"];
/// The words of [`Framework`] on the wire.
pub(crate) const FRAMEWORKS: &[&str] = &["ophyd-sync", "ophyd-async"];
/// The one component of a device that is a signal.
const READBACK: &str = "readback";
/// Bytes of the fingerprint that tells two states of a device apart.
const DIGEST_BYTES: usize = 8;

/// What a device is and can do.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeviceMetadata {
    pub(crate) name: String,
    #[schema(value_type = vocabulary::DeviceLabel)]
    pub(crate) device_label: DeviceLabel,
    pub(crate) ophyd_class: String,
    pub(crate) module: Option<String>,
    #[schema(required = false)]
    pub(crate) is_movable: bool,
    #[schema(required = false)]
    pub(crate) is_flyable: bool,
    #[schema(required = false)]
    pub(crate) is_readable: bool,
    #[schema(required = false)]
    pub(crate) is_triggerable: bool,
    #[schema(required = false)]
    pub(crate) is_stageable: bool,
    #[schema(required = false)]
    pub(crate) is_configurable: bool,
    #[schema(required = false)]
    pub(crate) is_pausable: bool,
    #[schema(required = false)]
    pub(crate) is_stoppable: bool,
    #[schema(required = false)]
    pub(crate) is_subscribable: bool,
    #[schema(required = false)]
    pub(crate) is_checkable: bool,
    #[schema(required = false)]
    pub(crate) writes_external_assets: bool,
    #[schema(required = false, value_type = std::collections::BTreeMap<String, String>)]
    pub(crate) pvs: IndexMap<Arc<str>, Arc<str>>,
    #[schema(value_type = Option<Object>)]
    pub(crate) hints: Option<Map<String, Value>>,
    #[schema(required = false, value_type = Vec<String>)]
    pub(crate) read_attrs: Vec<Arc<str>>,
    #[schema(required = false, value_type = Vec<String>)]
    pub(crate) configuration_attrs: Vec<Arc<str>>,
    pub(crate) parent: Option<String>,
    #[schema(required = false)]
    pub(crate) labels: Vec<String>,
    pub(crate) beamline: Option<String>,
    pub(crate) location_group: Option<String>,
    pub(crate) functional_group: Option<String>,
    pub(crate) documentation: Option<String>,
}

/// How a device is constructed in Python.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeviceInstantiationSpec {
    pub(crate) name: String,
    pub(crate) device_class: String,
    #[schema(required = false)]
    pub(crate) args: Vec<Value>,
    #[schema(required = false, value_type = Object)]
    pub(crate) kwargs: Map<String, Value>,
    #[schema(required = false)]
    pub(crate) active: bool,
    #[schema(inline, value_type = Option<vocabulary::Framework>)]
    pub(crate) framework: Option<Framework>,
}

impl DeviceMetadata {
    /// The metadata of `spec`, completed from its class.
    pub(crate) fn of(spec: &DeviceSpec, catalogue: &Catalogue, words: &mut Words) -> Self {
        let resolved = resolve::resolve(spec, catalogue);
        let able = resolved.capabilities;
        Self {
            name: spec.name.clone(),
            device_label: resolved.label,
            ophyd_class: resolved.ophyd_class.clone(),
            module: resolved.module.clone(),
            is_movable: able.movable,
            is_flyable: able.flyable,
            is_readable: able.readable,
            is_triggerable: able.triggerable,
            is_stageable: able.stageable,
            is_configurable: able.configurable,
            is_pausable: able.pausable,
            is_stoppable: able.stoppable,
            is_subscribable: able.subscribable,
            is_checkable: able.checkable,
            writes_external_assets: able.writes_external_assets,
            pvs: pvs(spec, &resolved, words),
            hints: spec.hints.clone(),
            read_attrs: names(spec.read_attrs.as_deref(), &resolved, words, |kind| {
                matches!(kind, Kind::Hinted | Kind::Normal)
            }),
            configuration_attrs: names(
                spec.configuration_attrs.as_deref(),
                &resolved,
                words,
                |kind| kind == Kind::Config,
            ),
            parent: spec.parent.clone(),
            labels: spec.labels.clone(),
            beamline: spec.beamline.clone(),
            location_group: spec.location_group.clone(),
            functional_group: spec.functional_group.clone(),
            documentation: spec.documentation.clone(),
        }
    }
}

/// PVs as given; where none are, those of the class; where the class is unknown, the bare prefix,
/// as the Python service does for a class that it cannot import.
fn pvs(
    spec: &DeviceSpec,
    resolved: &ResolvedDevice,
    words: &mut Words,
) -> IndexMap<Arc<str>, Arc<str>> {
    let mut pvs: IndexMap<Arc<str>, Arc<str>> = if resolve::gives_pvs(spec) {
        spec.pvs.iter().map(|(name, pv)| (words.share(name), pv.as_str().into())).collect()
    } else {
        let derived = resolved.signals.iter().flat_map(shown_pvs);
        derived.map(|(name, pv)| (words.share(name), pv.into())).collect()
    };
    if pvs.is_empty()
        && let Some(prefix) = resolve::prefix(spec)
    {
        pvs.insert(words.share("prefix"), prefix.into());
    }
    pvs.shrink_to_fit();
    pvs
}

/// A signal is shown with the PV that it is named after; a lone signal that reads one PV and writes
/// another with both.
fn shown_pvs(signal: &Signal) -> impl Iterator<Item = (&str, &str)> {
    let reads_elsewhere = signal.name == READBACK && signal.pv != signal.readback_pv;
    let (own, setpoint) = match reads_elsewhere {
        true => (&signal.readback_pv, Some(("setpoint", signal.pv.as_str()))),
        false => (&signal.pv, None),
    };
    std::iter::once((signal.name.as_str(), own.as_str())).chain(setpoint)
}

/// The components as given, or those of the class whose kind is wanted.
fn names(
    given: Option<&[String]>,
    resolved: &ResolvedDevice,
    words: &mut Words,
    is_wanted: impl Fn(Kind) -> bool,
) -> Vec<Arc<str>> {
    match given {
        Some(given) => given.iter().map(|name| words.share(name)).collect(),
        None => {
            let signals = resolved.signals.iter().filter(|signal| is_wanted(signal.kind));
            signals.map(|signal| words.share(&signal.name)).collect()
        }
    }
}

impl DeviceInstantiationSpec {
    /// The instantiation spec of `device`, with the templates filled in.
    pub(crate) fn of(device: &Device) -> Self {
        let spec = &device.spec;
        Self {
            name: spec.name.clone(),
            device_class: spec.device_class.clone(),
            args: spec.rendered_args(),
            kwargs: spec.rendered_kwargs(),
            active: device.is_active(),
            framework: spec.framework,
        }
    }
}

/// A fingerprint of everything that the API shows of a device. Equal means that nobody needs to
/// hear of a change. It is kept in the history, and must not change with the version.
pub(crate) fn digest(metadata: &RawValue, spec: &RawValue) -> String {
    let mut hash = Sha256::new();
    for part in ["[", metadata.get(), ",", spec.get(), "]"] {
        hash.update(part);
    }
    hash.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `name` can be the name of a PV: printable ASCII without blanks.
pub(crate) fn is_pv_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

/// Whether `class` lies under one of the allowed import paths. No path allowed means all are.
pub(crate) fn class_is_allowed(class: &str, allowlist: &[String]) -> bool {
    allowlist.is_empty()
        || allowlist.iter().any(|prefix| {
            class.strip_prefix(prefix.as_str()).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('.') || prefix.ends_with('.')
            })
        })
}
