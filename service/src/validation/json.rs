//! What is wrong with a text that is not JSON, in the words of Python's `json` module.

use serde_json::{Value, json};

use super::{Problem, Problems};

/// serde_json's complaint → Python's. The first prefix that fits counts.
const WORDING: [(&str, &str); 11] = [
    ("key must be a string", "Expecting property name enclosed in double quotes"),
    ("trailing comma", "Expecting property name enclosed in double quotes"),
    ("EOF while parsing an object", "Expecting property name enclosed in double quotes"),
    ("EOF while parsing a list", "Expecting ',' delimiter"),
    ("EOF while parsing a string", "Unterminated string starting at"),
    ("expected `,`", "Expecting ',' delimiter"),
    ("expected `:`", "Expecting ':' delimiter"),
    ("trailing characters", "Extra data"),
    ("control character", "Invalid control character at"),
    ("invalid escape", "Invalid \\escape"),
    ("invalid unicode", "Invalid \\uXXXX escape"),
];

/// Parses a body.
///
/// # Errors
/// A `json_invalid` problem at the offset of the fault.
pub fn parse(text: &[u8]) -> Result<Value, Problems> {
    serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        let words = WORDING
            .iter()
            .find(|(ours, _)| message.starts_with(ours))
            .map_or("Expecting value", |(_, python)| python);
        Problems::from(Problem {
            kind: "json_invalid",
            loc: vec!["body".into(), offset(text, &error).into()],
            msg: "JSON decode error".to_owned(),
            input: json!({}),
            ctx: Some(json!({ "error": words })),
        })
    })
}

/// Position of the offending byte: serde_json counts lines and columns from 1, and at the end of
/// the text names the last byte read.
fn offset(text: &[u8], error: &serde_json::Error) -> usize {
    let before: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let column = if error.is_eof() { error.column() } else { error.column().saturating_sub(1) };
    let offset = (before + column).min(text.len());
    if !error.to_string().starts_with("expected ident") {
        return offset;
    }
    // A word that is none of null, true, false: Python names its beginning.
    text[..offset].iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |i| i + 1)
}
