use std::time::{Duration, UNIX_EPOCH};

use channels::{Metadata, Severity};

use super::*;

fn sample(value: PvValue, metadata: Option<Metadata>) -> Sample {
    Sample {
        value,
        time: UNIX_EPOCH + Duration::from_millis(1_500),
        alarm: Alarm::default(),
        connected: true,
        read_access: true,
        write_access: true,
        metadata: metadata.map(Arc::new),
    }
}

fn alone(sample: Sample) -> Heard {
    Heard { sample: Arc::new(sample), setpoint: Setpoint::Same }
}

fn millimetres() -> Metadata {
    Metadata {
        units: Some("mm".to_owned()),
        precision: Some(3),
        control_limits: Some((-10.0, 10.0)),
        ..Metadata::default()
    }
}

fn text(message: Option<Message>) -> String {
    message.unwrap().into_text().unwrap().to_string()
}

fn value_of(value: PvValue) -> String {
    let frame = text(update(&PV, "p", &alone(sample(value, None)), usize::MAX));
    let frame: Value = serde_json::from_str(&frame).unwrap();
    frame["value"].to_string()
}

const PV: Words = Words::Pv { read_only: false };

fn motor() -> Words {
    Words::Signal(SignalWords {
        device: "m1".into(),
        signal: "m1".into(),
        access: false,
        string: false,
        read_only: false,
    })
}

#[test]
fn a_value_has_the_keys_of_the_contract_in_their_order() {
    let heard = alone(sample(PvValue::Double(0.0), None));
    assert_eq!(
        text(update(&PV, "IOC:m1", &heard, usize::MAX)),
        r#"{"pv":"IOC:m1","value":0.0,"timestamp":1.5,"connected":true,"read_access":true,"write_access":true}"#
    );
    assert_eq!(
        text(update(&motor(), "IOC:m1.RBV", &heard, usize::MAX)),
        r#"{"device":"m1","value":0.0,"timestamp":1.5,"connected":true,"read_access":null,"write_access":null,"signal":"m1"}"#
    );
}

#[test]
fn metadata_has_the_keys_of_the_contract_in_their_order() {
    let heard = alone(sample(PvValue::Double(0.0), Some(millimetres())));
    assert_eq!(
        text(meta(&PV, "IOC:m1", &heard)),
        r#"{"connected":true,"read_access":true,"write_access":true,"timestamp":1.5,"status":0,"severity":0,"precision":3,"setpoint_timestamp":null,"setpoint_status":null,"setpoint_severity":null,"lower_ctrl_limit":-10.0,"upper_ctrl_limit":10.0,"units":"mm","enum_strs":null,"setpoint_precision":null,"sub_type":"meta","obj":"IOC:m1","pv":"IOC:m1"}"#
    );
    assert_eq!(
        text(meta(&Words::Pv { read_only: true }, "IOC:m1", &heard)),
        r#"{"connected":true,"read_access":true,"write_access":false,"timestamp":1.5,"status":0,"severity":0,"precision":3,"lower_ctrl_limit":-10.0,"upper_ctrl_limit":10.0,"units":"mm","enum_strs":null,"sub_type":"meta","obj":"IOC:m1","pv":"IOC:m1"}"#
    );
    let labels = Metadata {
        enum_labels: Some(["Mono".to_owned(), String::new()].into()),
        ..Metadata::default()
    };
    let frame = text(meta(&PV, "p", &alone(sample(PvValue::Enum(1), Some(labels)))));
    assert!(frame.contains(r#""lower_ctrl_limit":null,"upper_ctrl_limit":null,"units":null,"enum_strs":["Mono",""]"#), "{frame}");
}

#[test]
fn a_motor_has_the_limits_and_the_access_of_its_setpoint() {
    let setpoint =
        Sample { write_access: false, ..sample(PvValue::Double(1.0), Some(millimetres())) };
    let readback =
        sample(PvValue::Double(0.5), Some(Metadata { precision: Some(4), ..Metadata::default() }));
    let heard =
        Heard { sample: Arc::new(readback), setpoint: Setpoint::Other(Some(Arc::new(setpoint))) };
    assert_eq!(
        text(meta(&motor(), "IOC:m1.RBV", &heard)),
        r#"{"connected":true,"read_access":true,"write_access":false,"timestamp":1.5,"status":0,"severity":0,"precision":4,"setpoint_timestamp":1.5,"setpoint_status":0,"setpoint_severity":0,"lower_ctrl_limit":-10.0,"upper_ctrl_limit":10.0,"units":null,"enum_strs":null,"setpoint_precision":3,"sub_type":"meta","obj":"m1","device":"m1","signal":"m1"}"#
    );
    let unheard = Heard { setpoint: Setpoint::Other(None), ..heard };
    let frame: Value = serde_json::from_str(&text(meta(&motor(), "p", &unheard))).unwrap();
    assert_eq!((&frame["connected"], &frame["write_access"]), (&json!(false), &json!(false)));
}

#[test]
fn target_and_motion_are_metadata_with_one_key() {
    let (device, limit) = ("m1".to_owned(), usize::MAX);
    let heard = alone(sample(PvValue::Double(10.0), None));
    assert_eq!(
        text(update(&Words::Setpoint { device: device.clone() }, "p", &heard, limit)),
        r#"{"setpoint":10.0,"sub_type":"meta","device":"m1"}"#
    );
    let words = Words::Moving { device };
    let moving =
        |flag| text(update(&words, "p", &alone(sample(PvValue::Short(flag), None)), limit));
    assert_eq!(moving(0), r#"{"moving":true,"sub_type":"meta","device":"m1"}"#);
    assert_eq!(moving(1), r#"{"moving":false,"sub_type":"meta","device":"m1"}"#);
    assert_eq!(meta(&words, "p", &heard), None);
}

#[test]
fn every_value_is_json_of_its_own_kind() {
    assert_eq!(value_of(PvValue::Double(f64::NAN)), "null");
    assert_eq!(value_of(PvValue::Double(f64::NEG_INFINITY)), "null");
    assert_eq!(value_of(PvValue::Double(-0.0)), "-0.0");
    assert_eq!(value_of(PvValue::Double(9_223_372_036_854_775_808.0)), "9.223372036854776e+18");
    assert_eq!(value_of(PvValue::Enum(1)), "1");
    assert_eq!(value_of(PvValue::CharArray(b"Hi\0\0".to_vec().into())), "\"Hi\"");
    assert_eq!(value_of(PvValue::CharArray(vec![0; 8].into())), "\"\"");
    assert_eq!(value_of(PvValue::CharArray(vec![200, 201, 202].into())), "[200,201,202]");
    assert_eq!(value_of(PvValue::LongArray(vec![1, 1, 2, 3, 5, 8].into())), "[1,1,2,3,5,8]");
    assert_eq!(value_of(PvValue::DoubleArray(vec![1.0, f64::NAN].into())), "[1.0,null]");
    assert_eq!(value_of(PvValue::DoubleArray(Vec::new().into())), "[]");
}

#[test]
fn precision_is_what_a_browser_can_show() {
    for (precision, shown) in
        [(0, json!(0)), (100, json!(100)), (101, json!(null)), (-1, json!(null))]
    {
        let metadata = Metadata { precision: Some(precision), ..Metadata::default() };
        let heard = alone(sample(PvValue::Double(0.0), Some(metadata)));
        let frame: Value = serde_json::from_str(&text(meta(&PV, "p", &heard))).unwrap();
        assert_eq!(frame["precision"], shown);
    }
}

#[test]
fn limits_of_whole_numbers_are_whole() {
    let heard = alone(sample(PvValue::Long(1), Some(millimetres())));
    assert_eq!(limits(&heard), (json!(-10), json!(10)));
}

#[test]
fn a_lost_pv_tells_no_value_and_its_metadata_again() {
    let live = alone(sample(PvValue::Double(0.0), None));
    let lost = alone(Sample { connected: false, ..sample(PvValue::Double(0.0), None) });
    assert_eq!(update(&PV, "p", &lost, usize::MAX), None);
    assert!(meta_due(Some(&live), &lost) && meta_due(Some(&lost), &live));
    assert!(meta_due(None, &live) && !meta_due(Some(&live), &live));
}

#[test]
fn a_change_of_alarm_limits_or_access_is_told() {
    let live = || sample(PvValue::Double(0.0), Some(millimetres()));
    let alarm = Alarm { status: 3, severity: Severity::Major };
    for changed in [
        Sample { alarm, ..live() },
        Sample { write_access: false, ..live() },
        sample(
            PvValue::Double(0.0),
            Some(Metadata { control_limits: Some((0.0, 1.0)), ..millimetres() }),
        ),
    ] {
        assert!(meta_due(Some(&alone(live())), &alone(changed)));
    }
    let another = Sample { value: PvValue::Double(1.0), ..live() };
    assert!(!meta_due(Some(&alone(live())), &alone(another)));
}

#[test]
fn of_a_silent_pv_only_what_is_known_is_told() {
    let frame: Value = serde_json::from_str(&text(silence(&PV, "p"))).unwrap();
    let keys: Vec<_> = frame.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["connected", "read_access", "write_access", "timestamp", "sub_type", "obj", "pv"]
    );
    assert_eq!(frame["connected"], false);
}

#[test]
fn an_update_that_is_too_long_is_an_error() {
    let heard = alone(sample(PvValue::DoubleArray(vec![0.5; 100].into()), None));
    assert_eq!(
        text(update(&PV, "p", &heard, 100)),
        r#"{"error":"An update of p exceeds the size limit and was dropped"}"#
    );
}

#[test]
fn summaries_name_everything() {
    let summary = Summary {
        subscribed: vec!["a".into()],
        already: vec!["b".into()],
        failed: vec![("c".into(), "why".into())],
    };
    assert_eq!(
        text(Some(summary.frame("pv"))),
        r#"{"action":"subscribe","subscribed":["a"],"already_subscribed":["b"],"failed":[{"pv":"c","error":"why"}]}"#
    );
    assert_eq!(
        text(Some(unsubscribed(&["a".into()], &["n".into()]))),
        r#"{"action":"unsubscribe","unsubscribed":["a"],"not_subscribed":["n"]}"#
    );
}
