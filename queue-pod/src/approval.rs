//! The approval gate: an item that needs an approval waits at the front until somebody has looked at it.
//!
//! An approval counts for what was looked at: it has a digest of everything that decides what runs. So it is void after an edit, by whatever
//! means, and still counts when the item is moved, returns to the queue or has gone through another API server.

use crds::queue_item::Approved;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::item::Item;
use crate::python;

/// Key of the item that says that it needs an approval, and the word for it.
pub const APPROVAL: &str = "approval";
/// The only value of [`APPROVAL`].
pub const REQUIRED: &str = "Required";
/// Key of the item under which its approval is.
pub const APPROVED: &str = "approved";

/// What decides what runs, and for whom.
const APPROVED_KEYS: [&str; 7] =
    ["item_type", "name", "args", "kwargs", "meta", "user", "user_group"];

/// A submitted item with the gate that it asks for, or that the queue wants for all. An approval is never submitted.
///
/// # Errors
/// What it says about its approval is not understood.
pub fn submitted(mut item: Item, by_default: bool) -> Result<Item, String> {
    item.0.shift_remove(APPROVED);
    let asked = match item.0.shift_remove(APPROVAL) {
        None | Some(Value::Null) => false,
        Some(Value::String(word)) if word == REQUIRED => true,
        Some(other) => {
            let shown = python::repr(&other);
            return Err(format!(
                "Incorrect request format: 'approval' must be 'Required': {shown}"
            ));
        }
    };
    let gated = (asked || by_default) && !item.is_instruction();
    Ok(if gated { required(item) } else { item })
}

/// An edited item: the gate of the old one stays, and its approval as long as it is for the same.
pub fn edited(item: Item, old: &Item) -> Item {
    if !is_required(old) || item.is_instruction() {
        return item;
    }
    let item = required(item);
    match old.0.get(APPROVED) {
        Some(approved) if counts(&item, approved) => item.with(APPROVED, approved.clone()),
        _ => item,
    }
}

/// The item as one that needs an approval it has not got.
pub fn required(mut item: Item) -> Item {
    item.0.shift_remove(APPROVED);
    item.with(APPROVAL, REQUIRED)
}

/// The item with an approval as it is now.
pub fn granted(item: Item, by: &str) -> Item {
    let approved = Approved { by: by.to_owned(), digest: digest(&item) };
    item.with(APPROVED, json!(approved))
}

/// Whether an item has to be approved before it runs.
pub fn is_required(item: &Item) -> bool {
    item.0.contains_key(APPROVAL)
}

/// Whether an item must not run yet.
pub fn is_awaited(item: &Item) -> bool {
    is_required(item) && !item.0.get(APPROVED).is_some_and(|approved| counts(item, approved))
}

/// Said when the queue cannot go on because of the gate.
pub fn waits(item: &Item) -> String {
    format!("Item '{}' ({}) waits for approval.", item.uid(), item.name())
}

fn counts(item: &Item, approved: &Value) -> bool {
    approved["digest"] == json!(digest(item))
}

fn digest(item: &Item) -> String {
    let parts = APPROVED_KEYS.map(|key| item.0.get(key).map_or(Value::Null, canonical));
    hex::encode(Sha256::digest(Value::from(parts.to_vec()).to_string()))
}

/// The value as any JSON implementation reads it: keys in order, and whole numbers without a fraction.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(canonical).collect(),
        Value::Object(map) => {
            let mut sorted: Vec<_> = map.iter().map(|(k, v)| (k.clone(), canonical(v))).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(sorted))
        }
        Value::Number(number) if number.is_f64() => whole(number.as_f64()).unwrap_or(value.clone()),
        other => other.clone(),
    }
}

fn whole(number: Option<f64>) -> Option<Value> {
    // Up to here every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = number.filter(|number| number.fract() == 0.0 && number.abs() < EXACT)?;
    #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let number = number as i64;
    Some(json!(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: Value) -> Item {
        let Value::Object(map) = value else { unreachable!("an object literal") };
        Item(map)
    }

    #[test]
    fn an_approval_is_for_what_was_looked_at() {
        let asked = item(json!({"name": "count", "kwargs": {"num": 3, "a": 1.0}, "item_uid": "u"}));
        let item = granted(required(asked), "ann");
        assert!(!is_awaited(&item));
        assert!(!is_awaited(&item.again()));
        assert!(!is_awaited(&item.clone().with("result", json!({"msg": ""}))));
        assert!(!is_awaited(&item.clone().with("kwargs", json!({"a": 1, "num": 3}))));
        assert!(is_awaited(&item.clone().with("kwargs", json!({"a": 1, "num": 4}))));
        assert!(is_awaited(&item.with("user_group", "others")));
    }

    #[test]
    fn an_approval_is_never_submitted_and_the_gate_never_edited_away() {
        let plain = item(json!({"name": "count", "item_uid": "u"}));
        let forged = granted(required(plain.clone()), "me");
        assert!(is_awaited(&submitted(forged.clone(), false).unwrap()));
        assert!(!is_required(&submitted(plain.clone(), false).unwrap()));
        assert!(is_awaited(&submitted(plain.clone(), true).unwrap()));
        assert_eq!(edited(plain.clone(), &forged), forged);
        assert!(is_awaited(&edited(plain.clone().with("name", "scan"), &forged)));
        assert_eq!(
            submitted(plain.with(APPROVAL, 1), false).unwrap_err(),
            "Incorrect request format: 'approval' must be 'Required': 1"
        );
    }
}
