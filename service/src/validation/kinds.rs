//! The kinds of value that a field can have, with pydantic's lax conversions and its messages.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Model, Reader};

/// Text.
pub fn string(value: &Value, reader: &mut Reader) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        other => reader.problem("string_type", "Input should be a valid string", other, None),
    }
}

/// Text for which `holds` is true; `pattern` is how the contract words that rule.
pub fn matching(
    pattern: &'static str,
    holds: fn(&str) -> bool,
) -> impl Fn(&Value, &mut Reader) -> Option<String> {
    move |value, reader| {
        let text = string(value, reader)?;
        if holds(&text) {
            return Some(text);
        }
        let ctx = json!({ "pattern": pattern });
        let msg = format!("String should match pattern '{pattern}'");
        reader.problem("string_pattern_mismatch", msg, value, Some(ctx))
    }
}

/// Text of at least one character.
pub fn non_empty(value: &Value, reader: &mut Reader) -> Option<String> {
    let text = string(value, reader)?;
    if !text.is_empty() {
        return Some(text);
    }
    let msg = "String should have at least 1 character";
    reader.problem("string_too_short", msg, value, Some(json!({ "min_length": 1 })))
}

/// A truth value; words and 0/1 count.
pub fn boolean(value: &Value, reader: &mut Reader) -> Option<bool> {
    let parsed = match value {
        Value::Bool(b) => Some(*b),
        Value::String(text) => parse_bool(text),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        other => {
            return reader.problem("bool_type", "Input should be a valid boolean", other, None);
        }
    };
    parsed.or_else(|| {
        let msg = "Input should be a valid boolean, unable to interpret input";
        reader.problem("bool_parsing", msg, value, None)
    })
}

/// The words that pydantic takes for true and false.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// An integer; a whole float and a numeric text count.
pub fn integer(value: &Value, reader: &mut Reader) -> Option<i64> {
    match value {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().unwrap_or(f64::NAN);
            whole(float).or_else(|| {
                let msg = "Input should be a valid integer, got a number with a fractional part";
                reader.problem("int_from_float", msg, value, None)
            })
        }),
        Value::String(text) => text.trim().parse().ok().or_else(|| {
            let msg = "Input should be a valid integer, unable to parse string as an integer";
            reader.problem("int_parsing", msg, value, None)
        }),
        other => reader.problem("int_type", "Input should be a valid integer", other, None),
    }
}

/// Floats up to this size are exact integers.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

/// A number; a numeric text counts.
pub fn number(value: &Value, reader: &mut Reader) -> Option<f64> {
    match value {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().or_else(|| {
            let msg = "Input should be a valid number, unable to parse string as a number";
            reader.problem("float_parsing", msg, value, None)
        }),
        other => reader.problem("float_type", "Input should be a valid number", other, None),
    }
}

/// An integer from `low` up, and up to `high` where one is given.
pub fn integer_within(low: i64, high: Option<i64>) -> impl Fn(&Value, &mut Reader) -> Option<i64> {
    move |value, reader| {
        let number = integer(value, reader)?;
        if number < low {
            let msg = format!("Input should be greater than or equal to {low}");
            return reader.problem("greater_than_equal", msg, value, Some(json!({ "ge": low })));
        }
        match high.filter(|high| number > *high) {
            None => Some(number),
            Some(high) => {
                let msg = format!("Input should be less than or equal to {high}");
                reader.problem("less_than_equal", msg, value, Some(json!({ "le": high })))
            }
        }
    }
}

/// A number above `low`, and up to `high` where one is given.
pub fn number_above(low: f64, high: Option<f64>) -> impl Fn(&Value, &mut Reader) -> Option<f64> {
    move |value, reader| {
        let number = number(value, reader)?;
        if number.is_nan() || number <= low {
            let msg = format!("Input should be greater than {low}");
            return reader.problem("greater_than", msg, value, Some(json!({ "gt": low })));
        }
        match high.filter(|high| number > *high) {
            None => Some(number),
            Some(high) => {
                let msg = format!("Input should be less than or equal to {high}");
                reader.problem("less_than_equal", msg, value, Some(json!({ "le": high })))
            }
        }
    }
}

/// One of the words of an enum (pydantic's `enum`).
pub fn enumeration<T: DeserializeOwned>(
    words: &'static [&'static str],
) -> impl Fn(&Value, &mut Reader) -> Option<T> {
    one_of("enum", words)
}

/// One of a few literals (pydantic's `literal_error`).
pub fn literal<T: DeserializeOwned>(
    words: &'static [&'static str],
) -> impl Fn(&Value, &mut Reader) -> Option<T> {
    one_of("literal_error", words)
}

fn one_of<T: DeserializeOwned>(
    kind: &'static str,
    words: &'static [&'static str],
) -> impl Fn(&Value, &mut Reader) -> Option<T> {
    move |value, reader| {
        let known = value.as_str().is_some_and(|text| words.contains(&text));
        let read = known.then(|| serde_json::from_value(value.clone()).ok()).flatten();
        read.or_else(|| {
            let expected = alternatives(words);
            let msg = format!("Input should be {expected}");
            reader.problem(kind, msg, value, Some(json!({ "expected": expected })))
        })
    }
}

/// `'a', 'b' or 'c'`
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// A list of one kind.
pub fn list<T>(
    kind: impl Fn(&Value, &mut Reader) -> Option<T>,
) -> impl Fn(&Value, &mut Reader) -> Option<Vec<T>> {
    move |value, reader| {
        let Value::Array(items) = value else {
            return reader.problem("list_type", "Input should be a valid list", value, None);
        };
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(at, item)| reader.within(at, |reader| kind(item, reader)))
            .collect();
        read.into_iter().collect()
    }
}

/// A list of `low` to `high` items of one kind.
pub fn list_of_length<T>(
    low: usize,
    high: usize,
    kind: impl Fn(&Value, &mut Reader) -> Option<T>,
) -> impl Fn(&Value, &mut Reader) -> Option<Vec<T>> {
    let list = list(kind);
    move |value, reader| {
        let length = value.as_array().map_or(low, Vec::len);
        let items = |n: usize| if n == 1 { "item" } else { "items" };
        if length < low {
            let ctx = json!({ "field_type": "List", "min_length": low, "actual_length": length });
            let words = items(low);
            let msg =
                format!("List should have at least {low} {words} after validation, not {length}");
            return reader.problem("too_short", msg, value, Some(ctx));
        }
        if length > high {
            let ctx = json!({ "field_type": "List", "max_length": high, "actual_length": length });
            let words = items(high);
            let msg =
                format!("List should have at most {high} {words} after validation, not {length}");
            return reader.problem("too_long", msg, value, Some(ctx));
        }
        list(value, reader)
    }
}

/// An object whose members are of one kind.
pub fn map<T>(
    kind: impl Fn(&Value, &mut Reader) -> Option<T>,
) -> impl Fn(&Value, &mut Reader) -> Option<BTreeMap<String, T>> {
    move |value, reader| {
        let members = object(value, reader)?;
        let read: Vec<Option<(String, T)>> = members
            .iter()
            .map(|(name, member)| {
                let read = reader.within(name.as_str(), |reader| kind(member, reader));
                read.map(|member| (name.clone(), member))
            })
            .collect();
        read.into_iter().collect()
    }
}

/// Any object.
pub fn object(value: &Value, reader: &mut Reader) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members.clone()),
        other => reader.problem("dict_type", "Input should be a valid dictionary", other, None),
    }
}

/// Any value.
pub fn any(value: &Value, _: &mut Reader) -> Option<Value> {
    Some(value.clone())
}

/// A nested model.
pub fn model<M: Model>(value: &Value, reader: &mut Reader) -> Option<M> {
    reader.model(value)
}

/// The kind, or null.
pub fn nullable<T>(
    kind: impl Fn(&Value, &mut Reader) -> Option<T>,
) -> impl Fn(&Value, &mut Reader) -> Option<Option<T>> {
    move |value, reader| match value {
        Value::Null => Some(None),
        value => kind(value, reader).map(Some),
    }
}
