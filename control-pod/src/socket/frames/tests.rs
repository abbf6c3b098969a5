use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use channels::{Alarm, Metadata, PvValue};
use serde_json::json;

use super::*;

const NO_LIMIT: usize = usize::MAX;

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

fn text(message: Message) -> String {
    message.into_text().unwrap().to_string()
}

fn device() -> Words {
    Words::Device { device: "classic_pair".into(), signal: "m1".into() }
}

#[test]
fn a_pv_update_has_the_fields_of_the_contract_in_their_order() {
    assert_eq!(
        text(update(&Words::Pv, "IOC:m1", &sample(PvValue::Double(2.5), None), NO_LIMIT)),
        r#"{"event_type":"pv_update","pv":"IOC:m1","value":2.5,"timestamp":1.5,"status":0,"severity":0,"connected":true,"read_access":true,"write_access":true,"alarm_status":"NO_ALARM","alarm_severity":0,"alarm_severity_name":"NO_ALARM"}"#
    );
}

#[test]
fn a_device_update_carries_no_alarm() {
    assert_eq!(
        text(update(&device(), "IOC:m1", &sample(PvValue::Double(9.75), None), NO_LIMIT)),
        r#"{"event_type":"device_update","device":"classic_pair","signal":"m1","value":9.75,"timestamp":1.5,"connected":true,"read_access":true,"write_access":true}"#
    );
}

#[test]
fn metadata_carries_limits_units_and_labels() {
    let metadata = Metadata {
        units: Some("mm".into()),
        precision: Some(3),
        control_limits: Some((0.0, 10.0)),
        ..Metadata::default()
    };
    assert_eq!(
        text(meta(&Words::Pv, "IOC:m1", &sample(PvValue::Double(1.0), Some(metadata)))),
        r#"{"sub_type":"meta","pv":"IOC:m1","connected":true,"read_access":true,"write_access":true,"timestamp":1.5,"status":0,"severity":0,"precision":3,"units":"mm","lower_ctrl_limit":0.0,"upper_ctrl_limit":10.0,"enum_strs":null}"#
    );
    let labels = Metadata {
        enum_labels: Some(vec!["Closed".to_owned(), "Open".to_owned()].into()),
        ..Metadata::default()
    };
    let frame = text(meta(&device(), "IOC:s", &sample(PvValue::Enum(0), Some(labels))));
    assert!(frame.starts_with(
        r#"{"sub_type":"meta","device":"classic_pair","signal":"m1","connected":true"#
    ));
    assert!(frame.ends_with(r#""enum_strs":["Closed","Open"]}"#), "{frame}");
}

#[test]
fn an_alarm_has_its_name_and_an_unknown_one_has_none() {
    let mut high = sample(PvValue::Double(1.0), None);
    high.alarm = Alarm { status: 4, severity: Severity::Minor };
    let frame = text(update(&Words::Pv, "p", &high, NO_LIMIT));
    assert!(
        frame.ends_with(
            r#""alarm_status":"HIGH","alarm_severity":1,"alarm_severity_name":"MINOR"}"#
        )
    );
    high.alarm.status = 99;
    assert!(!text(update(&Words::Pv, "p", &high, NO_LIMIT)).contains("alarm_status"));
}

#[test]
fn not_a_number_is_null_on_the_wire() {
    let frame = text(update(&Words::Pv, "p", &sample(PvValue::Double(f64::NAN), None), NO_LIMIT));
    assert!(frame.contains(r#""value":null"#), "{frame}");
}

#[test]
fn an_update_beyond_the_size_limit_becomes_an_error() {
    let big = sample(PvValue::DoubleArray(vec![0.5; 1000].into()), None);
    let frame: Value = serde_json::from_str(&text(update(&device(), "p", &big, 500))).unwrap();
    assert_eq!(frame["type"], "error");
    assert_eq!(frame["error"], "payload exceeds size limit; update dropped");
    assert_eq!((&frame["device"], &frame["signal"]), (&json!("classic_pair"), &json!("m1")));
    assert!(frame.get("value").is_none());
}
