//! How Python would print a JSON value. The error texts of the queue protocol contain such prints, and clients match on them.

mod pprint;

pub use pprint::{pformat, pformat_wide};
use serde_json::{Map, Value};

/// `type(value)` as Python prints it: `<class 'int'>`.
pub fn type_of(value: &Value) -> String {
    let name = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    format!("<class '{name}'>")
}

/// `str(value)`: strings bare, everything else as [`repr`].
pub fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `bool(value)`.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            Some(float) => repr_float(float),
            None => n.to_string(),
        },
        Value::String(text) => repr_str(text),
        Value::Array(list) => repr_list(list.iter().map(repr)),
        Value::Object(map) => repr_map(map),
    }
}

/// `repr` of a float: with an exponent below 1e-4 and from 1e16 on.
pub fn repr_float(value: f64) -> String {
    let short = format!("{value:e}");
    match short.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Some(_) => {
            let plain = value.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        None if value.is_nan() => "nan".to_owned(),
        None => short,
    }
}

/// `repr` of a list of strings.
pub fn repr_strs<'a>(list: impl IntoIterator<Item = &'a str>) -> String {
    repr_list(list.into_iter().map(repr_str))
}

/// `repr()` of a tuple of texts.
pub fn repr_tuple(texts: &[&str]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| repr_str(text)).collect();
    match &texts[..] {
        [only] => format!("({only},)"),
        _ => format!("({})", texts.join(", ")),
    }
}

/// `repr` of a dictionary.
pub fn repr_map(map: &Map<String, Value>) -> String {
    let inner: Vec<_> = map.iter().map(|(k, v)| format!("{}: {}", repr_str(k), repr(v))).collect();
    format!("{{{}}}", inner.join(", "))
}

/// `repr` of a list whose items are printed already.
pub fn repr_list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// `repr` of a string: single quotes unless only they occur in it.
pub fn repr_str(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_in_python() {
        assert_eq!(
            repr(&json!({"a": [1, 2.5, null, true], "b": "it's"})),
            r#"{'a': [1, 2.5, None, True], 'b': "it's"}"#
        );
        assert_eq!(repr(&json!("a\n\\'\"")), r#"'a\n\\\'"'"#);
        assert_eq!(type_of(&json!(5)), "<class 'int'>");
        assert_eq!(type_of(&json!(5.0)), "<class 'float'>");
        assert_eq!(type_of(&json!(null)), "<class 'NoneType'>");
    }

    #[test]
    fn what_is_empty_is_not_true() {
        for value in
            [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({})]
        {
            assert!(!is_true(&value), "{value}");
        }
        for value in [json!(true), json!(-1), json!(0.5), json!("0"), json!([0]), json!({"a": 0})] {
            assert!(is_true(&value), "{value}");
        }
    }

    #[test]
    fn floats_print_as_in_python() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e15, "1000000000000000.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-0.0, "-0.0"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(repr_float(value), text);
        }
    }
}
