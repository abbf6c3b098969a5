//! What is exported can be imported again, and is the same as far as the format can say it.

use std::collections::BTreeMap;

use crds::device::{DeviceLabel, DeviceSpec, Framework};
use crds::manifests::Manifests;
use crds::names::object_name;
use crds::process_variable::{AccessMode, Protocol};
use crds::{Device, FreeForm, ProcessVariable, ProcessVariableSpec, bits, happi, import, resolve};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts of people, and such as YAML could take for something else.
fn text() -> impl Strategy<Value = String> {
    let odd = proptest::sample::select(vec![
        "",
        "on",
        "no",
        "~",
        "null",
        "1e3",
        "0x1F",
        "12:30",
        "- a",
        "a: b",
        "#",
        "é\t\n\"'",
        "{{",
    ]);
    prop_oneof!["[ -~]{0,12}", odd.prop_map(str::to_owned)]
        .prop_filter(TEMPLATES, |text| no_template(text))
}

fn pv() -> impl Strategy<Value = String> {
    "[A-Z]{2}:[A-Za-z0-9{}_:-]{1,12}".prop_filter(TEMPLATES, |text| no_template(text))
}

const TEMPLATES: &str = "templates are filled in on the way";

fn no_template(text: &str) -> bool {
    !text.contains("}}")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|number: f64| json!(number)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[a-z]{1,4}", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

/// Keyword arguments, in the order of a file.
fn arguments() -> impl Strategy<Value = FreeForm> {
    btree_map("k_[a-z]{1,4}", value(), 0..3).prop_map(|all| all.into_iter().collect())
}

prop_compose! {
    /// A device with everything that a happi entry can say.
    fn entry()(
        name in "[a-z][a-z0-9_]{0,10}",
        class in "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}\\.[A-Z][a-z]{1,6}",
        prefix in option::of(pv()),
        templated in any::<bool>(),
        more in vec(value(), 0..2),
        kwargs in arguments(),
        active in any::<bool>(),
        framework in option::of(prop_oneof![Just(Framework::OphydSync), Just(Framework::OphydAsync)]),
        group in option::of(text()),
        notes in (option::of(text()), option::of(text()), option::of(text())),
        extra in btree_map("x_[a-z]{1,4}", value(), 0..2),
    ) -> DeviceSpec {
        let mut args = match (&prefix, templated) {
            (Some(_), true) => vec![json!("{{prefix}}")],
            (Some(prefix), false) => vec![json!(prefix)],
            (None, _) => Vec::new(),
        };
        args.extend(more);
        let mut all = FreeForm::from_iter([("name".to_owned(), json!("{{name}}"))]);
        all.extend(kwargs);
        DeviceSpec {
            name, device_class: class, prefix, args, kwargs: all, active, framework,
            device_label: group.as_deref().and_then(crds::by_name::label_of_group),
            labels: group.clone().into_iter().collect(),
            functional_group: group,
            beamline: notes.0, location_group: notes.1, documentation: notes.2,
            extra: extra.into_iter().collect(),
            ..DeviceSpec::default()
        }
    }
}

fn entries() -> impl Strategy<Value = Vec<DeviceSpec>> {
    vec(entry(), 0..5).prop_map(|all| {
        let by_name = all.into_iter().map(|one| (one.name.clone(), one));
        by_name.collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

/// What clients are shown of a device: templates filled in.
fn shown(spec: &DeviceSpec) -> DeviceSpec {
    let (args, kwargs) = (spec.rendered_args(), spec.rendered_kwargs());
    DeviceSpec { args, kwargs, prefix: resolve::prefix(spec), ..spec.clone() }
}

fn imported(text: &str, format: import::Format) -> Vec<DeviceSpec> {
    let all = import::read(text, Some(format)).unwrap().complete().unwrap();
    all.devices.into_iter().map(|device| device.spec).collect()
}

proptest! {
    #[test]
    fn a_happi_export_imports_as_what_it_was(devices in entries()) {
        let text = Value::Object(happi::export(&devices)).to_string();
        let again = imported(&text, import::Format::Happi);
        let shown_all = |all: &[DeviceSpec]| all.iter().map(shown).collect::<Vec<_>>();
        prop_assert_eq!(shown_all(&again), shown_all(&devices));
        prop_assert_eq!(Value::Object(happi::export(&again)).to_string(), text);
    }

    #[test]
    fn a_happi_database_survives_with_its_templates(devices in entries()) {
        let text = Value::Object(happi::database(&devices)).to_string();
        prop_assert_eq!(imported(&text, import::Format::Happi), devices);
    }

    #[test]
    fn a_bits_export_imports_as_what_it_was(devices in entries(), labels in vec(text(), 0..3)) {
        // What the format can say: the class, one prefix, arguments by name, labels.
        let devices: Vec<_> = devices.into_iter().map(|one| DeviceSpec {
            args: Vec::new(),
            labels: labels.clone(),
            name: one.name, device_class: one.device_class, prefix: one.prefix,
            kwargs: one.kwargs, active: true,
            ..DeviceSpec::default()
        }).collect();
        let text = bits::export(&devices).unwrap();
        let again = imported(&text, import::Format::Bits);
        let said = |all: &[DeviceSpec]| all.iter().map(|one| {
            let mut kwargs = one.rendered_kwargs();
            kwargs.shift_remove("labels");
            let said = (one.device_class.clone(), one.rendered_args(), one.labels.clone(), kwargs);
            (one.name.clone(), said)
        }).collect::<BTreeMap<_, _>>();
        prop_assert_eq!(said(&again), said(&devices));
        prop_assert_eq!(bits::export(&again).unwrap(), text);
    }

    #[test]
    fn exported_manifests_are_the_objects(
        devices in entries(),
        label in option::of(prop_oneof![Just(DeviceLabel::Motor), Just(DeviceLabel::Signal)]),
        pvs in btree_map(pv(), (any::<bool>(), option::of(text()), vec(text(), 0..2)), 0..4),
    ) {
        let mut manifests = Manifests::default();
        let devices: BTreeMap<_, _> = devices.into_iter().map(|spec| {
            let spec = DeviceSpec { device_label: label, required: true, ..spec };
            (object_name(&spec.name), Device::new(&object_name(&spec.name), spec))
        }).collect();
        devices.values().for_each(|device| manifests.add_device(device).unwrap());
        let pvs: BTreeMap<_, _> = pvs.into_iter().map(|(pv_name, (written, description, labels))| {
            let access_mode = if written { AccessMode::ReadWrite } else { AccessMode::ReadOnly };
            let protocol = if written { Protocol::Pva } else { Protocol::Ca };
            let name = object_name(&pv_name);
            let spec = ProcessVariableSpec { pv_name, protocol, access_mode, description, labels };
            (name.clone(), ProcessVariable::new(&name, spec))
        }).collect();
        pvs.values().for_each(|pv| manifests.add_pv(pv).unwrap());
        let text = manifests.into_text();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let wanted = devices.values().map(|one| json!(one)).chain(pvs.values().map(|one| json!(one)));
        prop_assert_eq!(objects, wanted.collect::<Vec<_>>());
    }
}
