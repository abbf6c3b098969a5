//! Truth values and numbers, and the texts that pydantic takes for them.

use serde_json::Value;

use super::Fit;
use super::fault::Path;
use super::taken::{Found, Precision, Taken};

/// The end of 64 bits, as a float.
const MAX_INT: f64 = 9.223_372_036_854_775e18;
/// More digits than this are no integer.
const MAX_DIGITS: usize = 4300;

fn lax(taken: Taken<'_>) -> Found<'_> {
    Found { taken, precision: Precision::Lax }
}

pub(super) fn bool<'a>(value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    let type_fault = || path.fault("bool_type", "Input should be a valid boolean", value);
    let parsed = match value {
        Value::Bool(_) => return Ok(Found::EXACT),
        Value::Number(number) => {
            let whole = |float: f64| float.fract() == 0.0 && float.abs() < MAX_INT;
            if !number.as_f64().is_some_and(whole) {
                return Err(type_fault());
            }
            match number.as_f64() {
                Some(0.0) => Some(false),
                Some(1.0) => Some(true),
                _ => None,
            }
        }
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
            "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
            _ => None,
        },
        _ => return Err(type_fault()),
    };
    parsed.map(|flag| lax(Taken::Bool(flag))).ok_or_else(|| {
        let text = "Input should be a valid boolean, unable to interpret input";
        path.fault("bool_parsing", text, value)
    })
}

pub(super) fn int<'a>(value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    let too_big = || {
        let text = "Unable to parse input string as an integer, exceeded maximum size";
        path.fault("int_parsing_size", text, value)
    };
    match value {
        Value::Number(number) if !number.is_f64() => Ok(Found::EXACT),
        Value::Bool(flag) => Ok(lax(Taken::Int(u8::from(*flag).to_string()))),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() != 0.0 => {
                let text = "Input should be a valid integer, got a number with a fractional part";
                Err(path.fault("int_from_float", text, value))
            }
            Some(float) if float.abs() < MAX_INT => {
                Ok(lax(Taken::Int(format!("{:.0}", float + 0.0))))
            }
            _ => Err(too_big()),
        },
        Value::String(text) if text.len() > MAX_DIGITS => Err(too_big()),
        Value::String(text) => match digits(text) {
            Some(digits) => Ok(lax(Taken::Int(digits))),
            None => {
                let text = "Input should be a valid integer, unable to parse string as an integer";
                Err(path.fault("int_parsing", text, value))
            }
        },
        _ => Err(path.fault("int_type", "Input should be a valid integer", value)),
    }
}

/// The integer in a text: `1_000`, ` +5 `, `5.00`.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let plain = ungrouped(whole)?;
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match plain.trim_start_matches('0') {
        "" => Some("0".to_owned()),
        digits => Some(format!("{sign}{digits}")),
    }
}

/// The text without the underscores that stand between two digits; `None` if one stands elsewhere.
fn ungrouped(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    let misplaced = |(index, byte): (usize, &u8)| {
        *byte == b'_' && !(index > 0 && digit(index - 1) && digit(index + 1))
    };
    let bad = bytes.iter().enumerate().any(misplaced);
    (!bad).then(|| text.replace('_', ""))
}

pub(super) fn float<'a>(value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    match value {
        Value::Number(number) if number.is_f64() => Ok(Found::EXACT),
        Value::Number(number) => Ok(Found {
            taken: Taken::Float(number.as_f64().unwrap_or(f64::INFINITY)),
            precision: Precision::Strict,
        }),
        Value::Bool(flag) => Ok(lax(Taken::Float(f64::from(u8::from(*flag))))),
        Value::String(text) => {
            let parsed = ungrouped(text.trim()).and_then(|text| text.parse().ok());
            parsed.map(|float| lax(Taken::Float(float))).ok_or_else(|| {
                let text = "Input should be a valid number, unable to parse string as a number";
                path.fault("float_parsing", text, value)
            })
        }
        _ => Err(path.fault("float_type", "Input should be a valid number", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_integers_where_pydantic_reads_one() {
        for (text, wanted) in [
            ("5", Some("5")),
            (" +5 ", Some("5")),
            ("-0", Some("0")),
            ("007", Some("7")),
            ("1_0.0", Some("10")),
            ("5.", None),
            (".0", None),
            ("5.50", None),
            ("5.0_0", None),
            ("1__0", None),
            ("_1", None),
            ("5_", None),
            ("-_5", None),
            ("+-5", None),
            ("", None),
            ("1e3", None),
        ] {
            assert_eq!(digits(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn floats_know_whole_numbers_and_their_texts() {
        let taken = |value: &Value| match float(value, &Path::Root) {
            Ok(found) => Some(format!("{:?}", found.taken)),
            Err(_) => None,
        };
        assert_eq!(taken(&json!(1)).as_deref(), Some("Float(1.0)"));
        assert_eq!(taken(&json!(" 1_0.5 ")).as_deref(), Some("Float(10.5)"));
        assert_eq!(taken(&json!("infinity")).as_deref(), Some("Float(inf)"));
        assert_eq!(taken(&json!("0x1")), None);
    }
}
