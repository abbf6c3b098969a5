use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use channels::{Alarm, Severity};
use crds::device_class::Behaviour;

use super::*;

fn part(attr: &str, key: &str, role: Role) -> Part {
    Part {
        attr: attr.into(),
        key: key.into(),
        read_pv: "IOC:m1_lim".into(),
        write_pv: "IOC:m1_lim".into(),
        role,
        read_only: false,
        string: false,
        hinted: false,
    }
}

fn sample(value: PvValue, metadata: Metadata) -> Sample {
    Sample {
        value,
        time: UNIX_EPOCH + Duration::from_millis(2_500),
        alarm: Alarm { status: 0, severity: Severity::None },
        connected: true,
        read_access: true,
        write_access: true,
        metadata: Some(Arc::new(metadata)),
    }
}

fn target(framework: Framework, behaviour: Behaviour, parts: Vec<Part>) -> Target {
    Target {
        device: "sig".into(),
        path: "sig".into(),
        name: "sig".into(),
        class: "EpicsSignal".into(),
        behaviour,
        framework,
        parts,
        constants: Vec::new(),
    }
}

fn limited() -> Metadata {
    Metadata {
        units: Some(String::new()),
        precision: Some(0),
        control_limits: Some((0.0, 10.0)),
        ..Metadata::default()
    }
}

#[test]
fn a_reading_has_value_and_time() {
    let part = part("", "sig", Role::Reading);
    let samples = [(&part, sample(PvValue::Double(4.0), limited()))];
    let sync = target(Framework::OphydSync, Behaviour::Signal, Vec::new());
    assert_eq!(reading(&sync, &samples), json!({"sig": {"value": 4.0, "timestamp": 2.5}}));
    let of_async = target(Framework::OphydAsync, Behaviour::Signal, Vec::new());
    assert_eq!(
        reading(&of_async, &samples),
        json!({"sig": {"value": 4.0, "timestamp": 2.5, "alarm_severity": 0}})
    );
}

#[test]
fn a_description_has_limits_units_and_precision() {
    let part = part("", "sig", Role::Reading);
    let sync = target(Framework::OphydSync, Behaviour::Signal, Vec::new());
    let number = [(&part, sample(PvValue::Double(4.0), limited()))];
    assert_eq!(
        description(&sync, &number).to_string(),
        r#"{"sig":{"source":"PV:IOC:m1_lim","dtype":"number","shape":[],"units":"","lower_ctrl_limit":0.0,"upper_ctrl_limit":10.0,"precision":0}}"#
    );
    let whole = Metadata { precision: None, control_limits: Some((0.0, 0.0)), ..limited() };
    let integer = [(&part, sample(PvValue::Long(0), whole))];
    assert_eq!(
        description(&sync, &integer).to_string(),
        r#"{"sig":{"source":"PV:IOC:m1_lim","dtype":"integer","shape":[],"units":"","lower_ctrl_limit":0,"upper_ctrl_limit":0}}"#
    );
}

#[test]
fn an_async_description_names_the_source_by_its_protocol() {
    let part = part("m1", "async_pair-m1", Role::Reading);
    let pair = target(Framework::OphydAsync, Behaviour::Composite, Vec::new());
    let samples = [(&part, sample(PvValue::Double(4.0), limited()))];
    assert_eq!(
        description(&pair, &samples).to_string(),
        r#"{"async_pair-m1":{"dtype":"number","shape":[],"dtype_numpy":"<f8","source":"ca://IOC:m1_lim","units":"","precision":0}}"#
    );
}

#[test]
fn an_enum_is_described_with_its_labels_and_an_array_with_its_shape() {
    let part = part("", "sig", Role::Reading);
    let sync = target(Framework::OphydSync, Behaviour::Signal, Vec::new());
    let labels = Metadata {
        enum_labels: Some(vec!["Closed".to_owned(), "Open".to_owned()].into()),
        ..Metadata::default()
    };
    let described = description(&sync, &[(&part, sample(PvValue::Enum(1), labels))]);
    assert_eq!(described["sig"]["dtype"], "integer");
    assert_eq!(described["sig"]["enum_strs"], json!(["Closed", "Open"]));
    let array = PvValue::DoubleArray(vec![0.0; 3].into());
    let described = description(&sync, &[(&part, sample(array, Metadata::default()))]);
    assert_eq!(
        (&described["sig"]["dtype"], &described["sig"]["shape"]),
        (&json!("array"), &json!([3]))
    );
}

#[test]
fn a_device_is_got_as_nested_objects() {
    let (a, b) = (part("det", "p_det", Role::Reading), part("cam.exp", "p_cam_exp", Role::Omitted));
    let samples = [
        (&a, sample(PvValue::Double(1.0), Metadata::default())),
        (&b, sample(PvValue::Long(2), Metadata::default())),
    ];
    assert_eq!(tree(&samples), json!({"det": 1.0, "cam": {"exp": 2}}));
}

#[test]
fn a_bare_signal_is_its_own_configuration() {
    let parts = vec![part("", "sig", Role::Reading)];
    let sig = target(Framework::OphydSync, Behaviour::Signal, parts);
    assert_eq!(parts_of(&sig, Role::Configuration).len(), 1);
    let parts =
        vec![part("det", "p_det", Role::Reading), part("exp", "p_exp", Role::Configuration)];
    let det = target(Framework::OphydSync, Behaviour::Composite, parts);
    assert_eq!(parts_of(&det, Role::Configuration)[0].key, "p_exp");
}
