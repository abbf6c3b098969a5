//! What a device means: its signals, and whether it may be used. Plain functions.

use crds::Device;
use crds::conditions::{Verdict, reasons, types};
use crds::resolve::{ResolvedDevice, resolve};

use super::dereference::References;

/// A judged device.
#[derive(Clone, Debug)]
pub(super) struct Validated {
    /// The device with everything that its class says.
    pub(super) resolved: ResolvedDevice,
    /// What the `Ready` condition says.
    pub(super) verdict: Verdict,
    /// Who holds it: `plan/item`.
    pub(super) locked_by: Option<String>,
}

/// Judges `device`.
pub(super) fn validate(device: &Device, references: &References) -> Validated {
    let resolved = resolve(&device.spec, &references.catalogue);
    let (ready, reason, message) = judge(device, references, &resolved);
    let verdict = Verdict { type_: types::READY, status: Some(ready), reason, message };
    let locked_by =
        references.lock.as_ref().map(|lock| format!("{}/{}", lock.plan_name, lock.item_id));
    Validated { resolved, verdict, locked_by }
}

/// The first of these that is true: the name is taken, the device is off, its class is unknown, it
/// has no signals, all is well.
fn judge(
    device: &Device,
    references: &References,
    resolved: &ResolvedDevice,
) -> (bool, &'static str, String) {
    let class = &device.spec.device_class;
    if let Some(rival) = &references.rival {
        let name = &device.spec.name;
        let message = format!(
            "the older Device '{}' is already called '{name}'; delete one of the two",
            rival.object
        );
        return (false, reasons::CONFLICT, message);
    }
    if !device.is_active() {
        return (false, reasons::INACTIVE, "switched off".to_owned());
    }
    let count = resolved.signals.len();
    if !resolved.class_known {
        let how = format!("apply a DeviceClass with classPath '{class}' to get it");
        return if count == 0 {
            let message = format!("no DeviceClass describes '{class}' and no PVs are given: {how}");
            (false, reasons::UNKNOWN_CLASS, message)
        } else {
            let message = format!(
                "{count} PVs can be used; device-level control is unavailable, because no DeviceClass \
                 describes '{class}': {how}"
            );
            (true, reasons::UNKNOWN_CLASS, message)
        };
    }
    if count == 0 {
        let message = format!("'{class}' needs a prefix, arguments or pvs to have any signal");
        return (false, reasons::INVALID_SPEC, message);
    }
    let plural = if count == 1 { "" } else { "s" };
    (true, reasons::ACCEPTED, format!("{count} signal{plural}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crds::claims::device_owners;
    use crds::resolve::Catalogue;

    use super::*;

    const CLASS: &str = "
        classPath: lab.devices.Stage
        aliases: [lab.Stage]
        deviceLabel: motor
        behaviour: Composite
        components:
        - {name: x, suffix: ':X'}
        - {name: y, suffix: ':Y', readbackSuffix: ':Y_RBV', kind: hinted, readOnly: true}
    ";

    fn references() -> References {
        let class = serde_saphyr::from_str(CLASS).unwrap();
        References { catalogue: Arc::new(Catalogue::new([class])), ..References::default() }
    }

    fn device(spec: &str) -> Device {
        let text = format!(
            "apiVersion: beamline.dev/v1alpha1\nkind: Device\nmetadata: {{name: d, uid: u}}\nspec: {spec}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    fn verdict(device: &Device, references: &References) -> (bool, &'static str, String) {
        let verdict = validate(device, references).verdict;
        (verdict.status == Some(true), verdict.reason, verdict.message)
    }

    #[test]
    fn a_known_class_with_a_prefix_is_accepted() {
        let device = device("{name: s, deviceClass: lab.Stage, prefix: LAB}");
        assert_eq!(verdict(&device, &references()), (true, "Accepted", "2 signals".to_owned()));
    }

    #[test]
    fn an_unknown_class_with_pvs_is_usable_and_says_how_to_get_more() {
        let device = device("{name: s, deviceClass: site.Odd, pvs: {a: 'LAB:a'}}");
        let (ready, reason, message) = verdict(&device, &references());
        assert_eq!((ready, reason), (true, "UnknownClass"));
        assert!(message.contains("device-level control is unavailable"), "{message}");
        assert!(message.contains("DeviceClass with classPath 'site.Odd'"), "{message}");
    }

    #[test]
    fn an_unknown_class_without_pvs_is_not_ready() {
        let device = device("{name: s, deviceClass: site.Odd, prefix: 'LAB:'}");
        let (ready, reason, _) = verdict(&device, &references());
        assert_eq!((ready, reason), (false, "UnknownClass"));
    }

    #[test]
    fn a_known_class_without_any_pv_is_an_invalid_spec() {
        let device = device("{name: s, deviceClass: lab.Stage}");
        let (ready, reason, _) = verdict(&device, &references());
        assert_eq!((ready, reason), (false, "InvalidSpec"));
    }

    #[test]
    fn the_annotation_switches_a_device_off_that_the_spec_has_on() {
        let mut device = device("{name: s, deviceClass: lab.Stage, prefix: LAB}");
        let off = (crds::device::ACTIVE_ANNOTATION.to_owned(), "false".to_owned());
        device.metadata.annotations = Some([off].into());
        let (ready, reason, _) = verdict(&device, &references());
        assert_eq!((ready, reason), (false, "Inactive"));
    }

    #[test]
    fn a_conflict_names_the_older_object_and_outweighs_everything_else() {
        let mut older = device("{name: s, deviceClass: lab.Stage}");
        older.metadata.name = Some("first".to_owned());
        let rival = device_owners([&older])["s"].clone();
        let references = References { rival: Some(rival), ..references() };
        let device = device("{name: s, deviceClass: site.Odd, active: false}");
        let (ready, reason, message) = verdict(&device, &references);
        assert_eq!((ready, reason), (false, "Conflict"));
        assert!(message.contains("'first'"), "{message}");
    }
}
