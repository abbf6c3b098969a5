//! From a dotted address such as `sample_x.user_setpoint` to a PV, by the classes of the catalogue
//! (contract §1.4, address resolution).

use std::collections::BTreeMap;

use crds::DeviceSpec;
use crds::device::Framework;
use crds::device_class::DeviceClassSpec;
use crds::resolve;
use serde::Serialize;
use utoipa::ToSchema;

use crate::index::{Entry, Index};

/// How an address resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Resolved,
    DeviceNotFound,
    /// The class is not known here.
    ImportFailed,
    NoSuchAttr,
    /// Only an instance of the class knows the PV.
    NeedsEnrichment,
}

/// One address and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PathResolveResultItem {
    address: String,
    outcome: Outcome,
    pv_name: Option<String>,
    message: Option<String>,
    ok: bool,
}

/// Resolves one address.
pub(crate) fn resolve(address: &str, index: &Index) -> PathResolveResultItem {
    let (root, path) = match address.split_once('.') {
        Some((root, path)) => (root, Some(path)),
        None => (address, None),
    };
    let found = match index.device(root) {
        None => Err((Outcome::DeviceNotFound, format!("no device named '{root}' in registry"))),
        Some(entry) => pv_of(entry, path, index),
    };
    let (outcome, pv_name, message) = match found {
        Ok(pv) => (Outcome::Resolved, Some(pv), None),
        Err((outcome, message)) => (outcome, None, Some(message)),
    };
    let ok = outcome == Outcome::Resolved;
    PathResolveResultItem { address: address.to_owned(), outcome, pv_name, message, ok }
}

fn pv_of(entry: &Entry, path: Option<&str>, index: &Index) -> Result<String, (Outcome, String)> {
    let spec = &entry.object.spec;
    let class = index.catalogue().get(&spec.device_class);
    let is_async = class
        .map(|class| class.framework)
        .or(spec.framework)
        .is_some_and(|framework| framework == Framework::OphydAsync);
    let Some(path) = path else {
        if is_async {
            let message = "ophyd-async devices require a sub-attribute";
            return Err((Outcome::NoSuchAttr, message.to_owned()));
        }
        let nowhere = || (Outcome::NoSuchAttr, format!("device '{}' has no PV prefix", spec.name));
        return entry.shown.prefix.clone().ok_or_else(nowhere);
    };
    let given = entry.shown.metadata.pvs.get(path).map(ToString::to_string);
    let Some(class) = class else {
        return given.ok_or_else(|| {
            let class = &spec.device_class;
            let message = match class.rsplit_once('.') {
                None => format!("ImportError: device_class '{class}' has no module prefix"),
                Some(_) => format!("no DeviceClass describes '{class}'"),
            };
            (Outcome::ImportFailed, message)
        });
    };
    match class.components.iter().find(|component| component.name == path) {
        Some(component) if component.needs_instance => given.ok_or_else(|| {
            let suffix = component.suffix.as_deref().unwrap_or_default();
            let message = format!("at '{path}': FmtCpt suffix has placeholders: '{suffix}'");
            (Outcome::NeedsEnrichment, message)
        }),
        _ => by_class(spec, path, index).or(given).ok_or_else(|| missing(path, class)),
    }
}

/// The PV that the class gives the component, whatever PVs the device itself lists.
fn by_class(spec: &DeviceSpec, path: &str, index: &Index) -> Option<String> {
    let bare = DeviceSpec { pvs: BTreeMap::new(), ..spec.clone() };
    let resolved = resolve::resolve(&bare, index.catalogue());
    resolved.signal(path).map(|signal| signal.pv.clone())
}

/// Names the deepest part of `path` that the class does not have.
fn missing(path: &str, class: &DeviceClassSpec) -> (Outcome, String) {
    let known = |path: &str| {
        class.components.iter().any(|component| {
            component
                .name
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let mut parent = path;
    while let Some((above, _)) = parent.rsplit_once('.') {
        parent = above;
        if known(parent) {
            let attribute = path[parent.len() + 1..].split('.').next().unwrap_or_default();
            return (Outcome::NoSuchAttr, format!("no Component '{attribute}' on '{parent}'"));
        }
    }
    let attribute = path.split('.').next().unwrap_or_default();
    (Outcome::NoSuchAttr, format!("no Component '{attribute}' on top-level class"))
}

#[cfg(test)]
mod tests {
    use crds::Device;
    use serde_json::json;

    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        let class = json!({
            "classPath": "ophyd.EpicsScaler", "deviceLabel": "detector", "behaviour": "Counter",
            "components": [
                { "name": "channels.chan1", "suffix": ".S1" },
                { "name": "cam", "class": "Cam" },
                { "name": "cam.acquire", "suffix": "cam1:Acquire", "readbackSuffix": "cam1:Acquire_RBV" },
                { "name": "file", "suffix": "{self.prefix}x", "needsInstance": true },
            ],
        });
        index.apply_class("scaler".to_owned(), serde_json::from_value(class).unwrap());
        for (name, class) in [("det1", "ophyd.EpicsScaler"), ("odd", "site.Odd")] {
            let spec: DeviceSpec = serde_json::from_value(json!({
                "name": name, "deviceClass": class, "prefix": "BL01:DET1:",
            }))
            .unwrap();
            index.apply_device(Device::new(name, spec));
        }
        index
    }

    #[test]
    fn addresses_resolve_through_the_class() {
        let index = index();
        let resolved = |address: &str| resolve(address, &index).pv_name;
        assert_eq!(resolved("det1").as_deref(), Some("BL01:DET1:"));
        assert_eq!(resolved("det1.channels.chan1").as_deref(), Some("BL01:DET1:.S1"));
        assert_eq!(resolved("det1.cam.acquire").as_deref(), Some("BL01:DET1:cam1:Acquire"));
    }

    #[test]
    fn refusals_say_what_is_missing() {
        let index = index();
        let refused = |address: &str| {
            let item = resolve(address, &index);
            assert!(!item.ok && item.pv_name.is_none());
            (item.outcome, item.message.unwrap())
        };
        use Outcome::*;
        for (address, outcome, message) in [
            ("nope.x", DeviceNotFound, "no device named 'nope' in registry"),
            ("det1.bad", NoSuchAttr, "no Component 'bad' on top-level class"),
            ("det1.channels", NoSuchAttr, "no Component 'channels' on top-level class"),
            ("det1.cam.bad", NoSuchAttr, "no Component 'bad' on 'cam'"),
            (
                "det1.file",
                NeedsEnrichment,
                "at 'file': FmtCpt suffix has placeholders: '{self.prefix}x'",
            ),
            ("odd.x", ImportFailed, "no DeviceClass describes 'site.Odd'"),
        ] {
            assert_eq!(refused(address), (outcome, message.to_owned()), "{address}");
        }
    }
}
