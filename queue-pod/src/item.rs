//! An item as it travels on the wire: an object whose keys keep the order in which they were submitted.

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::approval::{APPROVAL, APPROVED};

/// Keys of a submitted item that are kept; everything else is dropped (contract queue-server §2.1, and the two of the approval gate).
pub const KEPT_KEYS: [&str; 11] = [
    "item_uid",
    "item_type",
    "name",
    "args",
    "kwargs",
    "meta",
    "user",
    "user_group",
    "properties",
    APPROVAL,
    APPROVED,
];

/// A plan, instruction or function call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Item(pub Map<String, Value>);

impl Item {
    /// `item_uid`, empty when it has none yet.
    pub fn uid(&self) -> &str {
        self.text("item_uid")
    }

    /// `name`, empty when absent.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Whether it is an instruction to the queue.
    pub fn is_instruction(&self) -> bool {
        self.text("item_type") == "instruction"
    }

    /// `user_group`, empty when absent.
    pub fn user_group(&self) -> &str {
        self.text("user_group")
    }

    /// The string under `key`, empty when there is none.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The item with only the keys that a submission may set.
    pub fn filtered(mut self) -> Self {
        self.0.retain(|key, _| KEPT_KEYS.contains(&key.as_str()));
        self
    }

    /// The item with `value` under `key`, at the place where the key already is, else at the end.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// The item as it is executed again: everything but the uid stays.
    pub fn again(&self) -> Self {
        self.clone().with("item_uid", successor_uid(self.uid()))
    }
}

/// The uid under which an item is queued again. It follows from the old one, so that a step that is repeated after a crash finds
/// its first attempt.
pub fn successor_uid(uid: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, uid.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_submission_keeps_known_keys_in_their_order() {
        let Value::Object(map) = json!({"kwargs": {}, "result": 1, "name": "count", "zz": 2})
        else {
            unreachable!("an object literal")
        };
        let item = Item(map).filtered().with("user", "u");
        let keys: Vec<_> = item.0.keys().collect();
        assert_eq!(keys, ["kwargs", "name", "user"]);
    }

    #[test]
    fn the_successor_of_an_item_is_always_the_same() {
        assert_eq!(successor_uid("a"), successor_uid("a"));
        assert_ne!(successor_uid("a"), successor_uid("b"));
    }
}
