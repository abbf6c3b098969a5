use serde_json::json;

use super::*;

fn received(value: impl std::borrow::Borrow<Value>) -> Received {
    value.borrow().as_object().unwrap().clone()
}

fn pvs(value: impl std::borrow::Borrow<Value>) -> Vec<Result<String, Value>> {
    names(&received(value), "pv", &["pvs", "pv_names"])
}

fn ok(names: &[&str]) -> Vec<Result<String, Value>> {
    names.iter().map(|name| Ok((*name).to_owned())).collect()
}

#[test]
fn the_list_of_names_wins_over_the_name() {
    assert_eq!(pvs(json!({"pv": "a"})), ok(&["a"]));
    assert_eq!(pvs(json!({"pv": ["a", "b"]})), ok(&["a", "b"]));
    assert_eq!(pvs(json!({"pvs": ["a", "b"], "pv": "c"})), ok(&["a", "b"]));
    assert_eq!(pvs(json!({"pvs": "a"})), ok(&["a"]));
    assert_eq!(pvs(json!({"pvs": null, "pv": "c"})), ok(&["c"]));
    assert_eq!(pvs(json!({"pv_names": ["a"]})), ok(&["a"]));
    assert_eq!(pvs(json!({"pvs": [], "pv": "c"})), []);
    assert_eq!(pvs(json!({"pv": ""})), []);
    assert_eq!(pvs(json!({})), []);
    assert_eq!(pvs(json!({"pvs": [3, "a"]})), [Err(json!(3)), Ok("a".to_owned())]);
}

#[test]
fn values_are_printed_as_python_does() {
    for (value, text) in [
        (json!(null), "None"),
        (json!(true), "True"),
        (json!(99), "99"),
        (json!(2.75), "2.75"),
        (json!(4.0), "4.0"),
        (json!("Single"), "Single"),
        (json!([1, 2]), "[1, 2]"),
        (json!({"nested": 1}), "{'nested': 1}"),
    ] {
        assert_eq!(printed(&value), text);
    }
}

#[test]
fn a_text_becomes_what_the_pv_holds() {
    let double = PvValue::Double(0.0);
    for (text, number) in [
        ("12", json!(12)),
        ("1.5", json!(1.5)),
        ("-4", json!(-4)),
        ("1e3", json!(1000.0)),
        (" 5", json!(5)),
    ] {
        assert_eq!(value_for(&json!(text), Some(&double)), Ok(number), "{text}");
    }
    assert_eq!(value_for(&json!("abc"), Some(&double)), Err(Unfit::NoNumber));
    assert_eq!(value_for(&json!("inf"), Some(&double)), Err(Unfit::NoNumber));
    let text = PvValue::String("x".to_owned());
    assert_eq!(value_for(&json!("007"), Some(&text)), Ok(json!("007")));
    let path = PvValue::CharArray(b"/a".to_vec().into());
    assert_eq!(value_for(&json!("12"), Some(&path)), Ok(json!("12")));
    let labels = PvValue::Enum(0);
    assert_eq!(value_for(&json!("Single"), Some(&labels)), Ok(json!("Single")));
    assert_eq!(value_for(&json!("1"), Some(&labels)), Ok(json!(1)));
    assert_eq!(value_for(&json!([1, 2]), Some(&double)), Ok(json!([1, 2])));
    assert_eq!(value_for(&json!(null), None), Err(Unfit::NoValue));
    assert_eq!(value_for(&json!({"nested": 1}), None), Err(Unfit::NoValue));
}

#[test]
fn a_timeout_is_a_number_of_seconds() {
    let read = |value: Value| timeout(&received(json!({ "timeout": value })));
    assert_eq!(read(json!(2)), Ok(Some(Duration::from_secs(2))));
    assert_eq!(read(json!(0.5)), Ok(Some(Duration::from_millis(500))));
    assert_eq!(read(json!(null)), Ok(None));
    assert_eq!(timeout(&received(json!({}))), Ok(None));
    assert_eq!(read(json!("soon")), Err(NoTimeout));
    assert_eq!(read(json!(-1)), Err(NoTimeout));
    assert_eq!(read(json!(1e300)), Ok(Some(Duration::from_secs(86_400))));
}

#[test]
fn equal_limits_are_none() {
    let limits = |low: Value, high: Value| (low, high);
    assert_eq!(
        outside("PV", "X", &json!(99), limits(json!(-10), json!(10))).unwrap(),
        "Value 99 is outside of limits for PV X. Low limit: -10, High limit: 10"
    );
    assert_eq!(
        outside("device", "X", &json!(50), limits(json!(-5.0), json!(5.0))).unwrap(),
        "Value 50 is outside of limits for device X. Low limit: -5.0, High limit: 5.0"
    );
    assert_eq!(outside("PV", "X", &json!(10), limits(json!(-10), json!(10))), None);
    assert_eq!(outside("PV", "X", &json!(99), limits(json!(0.0), json!(0.0))), None);
    assert_eq!(outside("PV", "X", &json!("text"), limits(json!(-10), json!(10))), None);
    assert_eq!(outside("PV", "X", &json!(99), limits(json!(null), json!(null))), None);
}

#[test]
fn what_is_no_command_is_told_in_pythons_words() {
    let told = |malformed_: Malformed| malformed(malformed_).into_text().unwrap().to_string();
    assert_eq!(told(Malformed::NoJson("x".to_owned())), r#"{"error":"Invalid JSON format"}"#);
    for (value, name) in [
        (json!([1]), "list"),
        (json!("x"), "str"),
        (json!(3), "int"),
        (json!(3.5), "float"),
        (json!(true), "bool"),
        (json!(null), "NoneType"),
    ] {
        assert_eq!(
            told(Malformed::NoObject(value)),
            format!(r#"{{"error":"Unexpected error: '{name}' object has no attribute 'get'"}}"#)
        );
    }
}
