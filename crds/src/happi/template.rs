//! Templates in the arguments of an entry: `{{key}}` stands for a field of the entry.
//!
//! `{{name}}` and `{{prefix}}` are fields of a device as well, and stay. Any other is filled in, as
//! happi does: a text that is one template becomes the value itself.

use serde_json::Value;

use crate::schema::FreeForm;

/// `value` with all templates filled in from `fields`, but for name and prefix.
pub(super) fn fill(value: Value, fields: &FreeForm) -> Result<Value, String> {
    match value {
        Value::String(text) => fill_text(&text, fields),
        Value::Array(items) => items.into_iter().map(|item| fill(item, fields)).collect(),
        Value::Object(members) => fill_members(members, fields).map(Value::Object),
        other => Ok(other),
    }
}

/// As [`fill`], for all members.
pub(super) fn fill_members(members: FreeForm, fields: &FreeForm) -> Result<FreeForm, String> {
    members.into_iter().map(|(key, value)| Ok((key, fill(value, fields)?))).collect()
}

fn fill_text(text: &str, fields: &FreeForm) -> Result<Value, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((key, after)) = after.split_once("}}") else { break };
        let key = key.trim();
        let value = match key {
            "name" | "prefix" => Value::String(format!("{{{{{key}}}}}")),
            _ => fields
                .get(key)
                .filter(|value| !value.is_null())
                .cloned()
                .ok_or_else(|| format!("refers to '{{{{{key}}}}}' and has no '{key}' field"))?,
        };
        if before.is_empty() && after.is_empty() && filled.is_empty() {
            return Ok(value);
        }
        filled.push_str(before);
        match value {
            Value::String(text) => filled.push_str(&text),
            other => filled.push_str(&other.to_string()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(Value::String(filled))
}
