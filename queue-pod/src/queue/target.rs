//! Positions as clients give them (contract queue-server §2.2, §2.3), with the exact texts of their errors.

use serde_json::{Map, Value};

use super::Queue;
use crate::python;

/// A position parameter: `"front"`, `"back"` or an index. Digits in a string count as an index, because one web client sends them so.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// The first place.
    Front,
    /// The last place.
    Back,
    /// An index; negative counts from the end.
    Index(i64),
    /// Anything else, kept for the error text.
    Other(Value),
}

impl Position {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) if text == "front" => Self::Front,
            Value::String(text) if text == "back" => Self::Back,
            Value::String(text) => {
                text.parse().map_or_else(|_| Self::Other(value.clone()), Self::Index)
            }
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Other(value.clone()), Self::Index)
            }
            other => Self::Other(other.clone()),
        }
    }

    /// The position under `key`, absent when it is missing or null.
    pub fn param(params: &Map<String, Value>, key: &str) -> Option<Self> {
        params.get(key).filter(|value| !value.is_null()).map(Self::of)
    }
}

/// The string under `key`, absent when it is missing or null.
pub fn uid_param(params: &Map<String, Value>, key: &str) -> Option<String> {
    params.get(key).filter(|value| !value.is_null()).map(python::str)
}

/// Index before which a new item goes, from `pos`, `before_uid` and `after_uid`; behind everything of its priority by default.
///
/// # Errors
/// The text for the client.
pub fn insertion(
    queue: &Queue,
    running: Option<&str>,
    params: &Map<String, Value>,
) -> Result<Option<usize>, String> {
    let position = Position::param(params, "pos");
    let (before, after) = (uid_param(params, "before_uid"), uid_param(params, "after_uid"));
    if position.is_some() && (before.is_some() || after.is_some()) {
        return Err("Ambiguous parameters: plan position and UID is specified".to_owned());
    }
    if before.is_some() && after.is_some() {
        return Err(
            "Ambiguous parameters: request to insert the plan before and after the reference plan"
                .to_owned(),
        );
    }
    if let Some(uid) = before.as_deref().or(after.as_deref()) {
        if running == Some(uid) {
            return match before {
                Some(_) => {
                    Err("Can not insert a plan in the queue before a currently running plan."
                        .to_owned())
                }
                None => Ok(Some(0)),
            };
        }
        let index = queue
            .index_of(uid)
            .ok_or_else(|| format!("Plan with UID '{uid}' is not in the queue."))?;
        return Ok(Some(if before.is_some() { index } else { index + 1 }));
    }
    let size = i64::try_from(queue.len()).unwrap_or(i64::MAX);
    let index = match position {
        None => return Ok(None),
        Some(Position::Front) => 0,
        Some(Position::Back) => size,
        Some(Position::Index(index)) if index < 0 => (size + index + 1).max(0),
        Some(Position::Index(index)) => index.min(size),
        Some(Position::Other(value)) => {
            let (text, kind) = (python::str(&value), python::type_of(&value));
            return Err(format!("Parameter 'pos' has incorrect value: pos='{text}' (type={kind})"));
        }
    };
    Ok(Some(usize::try_from(index).unwrap_or_default()))
}

/// Index of the item that `pos` or `uid` names; the last one by default.
///
/// # Errors
/// The text for the client, which differs between getting and removing (`for_removal`).
pub fn existing(
    queue: &Queue,
    running: Option<&str>,
    position: Option<&Position>,
    uid: Option<&str>,
    for_removal: bool,
) -> Result<usize, String> {
    if position.is_some() && uid.is_some() {
        return Err("Ambiguous parameters: plan position and UID is specified".to_owned());
    }
    if let Some(uid) = uid {
        // The braces of the second text are literal: clients have matched it so for years.
        return match (running == Some(uid), for_removal) {
            (true, true) => Err("Can not remove an item which is currently running.".to_owned()),
            (true, false) => Err("The item with UID '{uid}' is currently running.".to_owned()),
            (false, _) => queue.index_of(uid).ok_or_else(|| {
                let what = if for_removal { "Plan" } else { "Item" };
                format!("{what} with UID '{uid}' is not in the queue.")
            }),
        };
    }
    if queue.is_empty() && !matches!(position, Some(Position::Index(_) | Position::Other(_))) {
        return Err("Queue is empty".to_owned());
    }
    match position {
        Some(Position::Front) => Ok(0),
        None | Some(Position::Back) => Ok(queue.len() - 1),
        Some(Position::Index(index)) => {
            let size = i64::try_from(queue.len()).unwrap_or(i64::MAX);
            let absolute = if *index < 0 { size + index } else { *index };
            usize::try_from(absolute).ok().filter(|i| *i < queue.len()).ok_or_else(|| {
                format!("Index '{index}' is out of range (parameter pos = '{index}')")
            })
        }
        Some(Position::Other(value)) => {
            let what = if for_removal { "value" } else { "type" };
            let (text, kind) = (python::str(value), python::type_of(value));
            Err(format!("Parameter 'pos' has incorrect {what}: pos={text} (type={kind})"))
        }
    }
}

/// What a move amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Index of the item that moves.
    pub source: usize,
    /// Index, in the queue without that item, before which it goes; absent when it stays where it is.
    pub destination: Option<usize>,
}

/// The move that `queue_item_move` asks for.
///
/// # Errors
/// The text for the client.
pub fn movement(
    queue: &Queue,
    running: Option<&str>,
    params: &Map<String, Value>,
) -> Result<Move, String> {
    let (from, uid) = (Position::param(params, "pos"), uid_param(params, "uid"));
    let to = Position::param(params, "pos_dest");
    let (before, after) = (uid_param(params, "before_uid"), uid_param(params, "after_uid"));
    let complaint = match (&from, &uid, &to, &before, &after) {
        (None, None, ..) => "Source position or UID is not specified.",
        (_, _, None, None, None) => "Destination position or UID is not specified.",
        (Some(_), Some(_), ..) => {
            "Ambiguous parameters: Both position and uid is specified for the source plan."
        }
        (_, _, Some(_), Some(_), _) | (_, _, Some(_), _, Some(_)) => {
            "Ambiguous parameters: Both position and uid is specified for the destination plan."
        }
        (_, _, _, Some(_), Some(_)) => {
            "Ambiguous parameters: source should be moved 'before' and 'after' the destination."
        }
        _ => "",
    };
    if !complaint.is_empty() {
        return Err(complaint.to_owned());
    }
    let named = |key: &str, uid: Option<&str>| match uid {
        Some(uid) => format!("UID '{uid}'"),
        None => format!("position {}", params.get(key).map(python::str).unwrap_or_default()),
    };
    let source = existing(queue, running, from.as_ref(), uid.as_deref(), false).map_err(|why| {
        format!("Source plan ({}) was not found: {why}.", named("pos", uid.as_deref()))
    })?;
    let reference = before.as_deref().or(after.as_deref());
    let target = existing(queue, running, to.as_ref(), reference, false).map_err(|why| {
        format!("Destination plan ({}) was not found: {why}.", named("pos_dest", reference))
    })?;
    if source == target {
        return Ok(Move { source, destination: None });
    }
    let goes_before = match to {
        None => before.is_some(),
        Some(Position::Front) => true,
        Some(Position::Back) => false,
        Some(_) => source > target,
    };
    let target_without_source = if source < target { target - 1 } else { target };
    let destination = target_without_source + usize::from(!goes_before);
    Ok(Move { source, destination: (destination != source).then_some(destination) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;
    use crate::queue::{Entry, Place};
    use serde_json::json;
    use std::sync::Arc;

    fn queue(letters: &str) -> Queue {
        let mut queue = Queue::default();
        for letter in letters.chars() {
            insert(&mut queue, letter, usize::MAX);
        }
        queue
    }

    fn insert(queue: &mut Queue, letter: char, index: usize) {
        let index = index.min(queue.len());
        let Place { priority, rank } = queue.places(index, 1, 0).unwrap().remove(0);
        let item = Item::default().with("item_uid", letter.to_string());
        queue.insert(Arc::new(Entry { item, priority, rank, ..Entry::default() }));
    }

    fn letters(queue: &Queue) -> String {
        queue.iter().map(|entry| entry.item.uid()).collect()
    }

    fn params(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { unreachable!("an object literal") };
        map
    }

    fn add(running: Option<&str>, value: Value) -> Result<String, String> {
        let mut queue = queue(if running.is_some() { "BCD" } else { "ABCD" });
        let index = insertion(&queue, running, &params(value))?.unwrap_or(usize::MAX);
        insert(&mut queue, 'X', index);
        Ok(letters(&queue))
    }

    #[test]
    fn items_are_added_where_the_contract_measured_them() {
        for (position, expected) in [
            (json!({}), "ABCDX"),
            (json!({"pos": "front"}), "XABCD"),
            (json!({"pos": "back"}), "ABCDX"),
            (json!({"pos": 0}), "XABCD"),
            (json!({"pos": 1}), "AXBCD"),
            (json!({"pos": 2}), "ABXCD"),
            (json!({"pos": 3}), "ABCXD"),
            (json!({"pos": 4}), "ABCDX"),
            (json!({"pos": 100}), "ABCDX"),
            (json!({"pos": -1}), "ABCDX"),
            (json!({"pos": -2}), "ABCXD"),
            (json!({"pos": -3}), "ABXCD"),
            (json!({"pos": -4}), "AXBCD"),
            (json!({"pos": -5}), "XABCD"),
            (json!({"pos": -100}), "XABCD"),
            (json!({"pos": null}), "ABCDX"),
            (json!({"pos": "3"}), "ABCXD"),
            (json!({"before_uid": "A"}), "XABCD"),
            (json!({"before_uid": "C"}), "ABXCD"),
            (json!({"after_uid": "A"}), "AXBCD"),
            (json!({"after_uid": "D"}), "ABCDX"),
        ] {
            assert_eq!(add(None, position.clone()).as_deref(), Ok(expected), "{position}");
        }
        assert_eq!(add(Some("A"), json!({"after_uid": "A"})).as_deref(), Ok("XBCD"));
    }

    #[test]
    fn bad_positions_are_named_as_upstream_names_them() {
        for (position, expected) in [
            (
                json!({"pos": "mid"}),
                "Parameter 'pos' has incorrect value: pos='mid' (type=<class 'str'>)",
            ),
            (
                json!({"pos": 1.5}),
                "Parameter 'pos' has incorrect value: pos='1.5' (type=<class 'float'>)",
            ),
            (json!({"before_uid": "Z"}), "Plan with UID 'Z' is not in the queue."),
            (
                json!({"pos": 1, "after_uid": "A"}),
                "Ambiguous parameters: plan position and UID is specified",
            ),
        ] {
            assert_eq!(add(None, position).unwrap_err(), expected);
        }
        assert_eq!(
            add(Some("A"), json!({"before_uid": "A"})).unwrap_err(),
            "Can not insert a plan in the queue before a currently running plan."
        );
    }

    #[test]
    fn items_are_found_where_the_contract_measured_them() {
        let queue = queue("ABCD");
        let get = |position: Value| {
            let position = Position::param(&params(json!({"pos": position})), "pos");
            existing(&queue, None, position.as_ref(), None, false)
                .map(|index| queue.get(index).unwrap().item.uid().to_owned())
        };
        for (position, expected) in [
            (json!(null), "D"),
            (json!("front"), "A"),
            (json!("back"), "D"),
            (json!(0), "A"),
            (json!(3), "D"),
            (json!(-1), "D"),
            (json!(-4), "A"),
        ] {
            assert_eq!(get(position).as_deref(), Ok(expected));
        }
        assert_eq!(get(json!(4)).unwrap_err(), "Index '4' is out of range (parameter pos = '4')");
        assert_eq!(
            get(json!(-5)).unwrap_err(),
            "Index '-5' is out of range (parameter pos = '-5')"
        );
    }

    #[test]
    fn items_move_where_the_contract_measured_them() {
        let destinations = [
            json!({"pos_dest": 0}),
            json!({"pos_dest": 1}),
            json!({"pos_dest": 2}),
            json!({"pos_dest": 3}),
            json!({"pos_dest": -1}),
            json!({"pos_dest": -2}),
            json!({"pos_dest": "front"}),
            json!({"pos_dest": "back"}),
            json!({"before_uid": "B"}),
            json!({"after_uid": "B"}),
        ];
        let table = [
            (
                json!({"pos": 0}),
                ["ABCD", "BACD", "BCAD", "BCDA", "BCDA", "BCAD", "ABCD", "BCDA", "ABCD", "BACD"],
            ),
            (
                json!({"pos": "front"}),
                ["ABCD", "BACD", "BCAD", "BCDA", "BCDA", "BCAD", "ABCD", "BCDA", "ABCD", "BACD"],
            ),
            (
                json!({"pos": 1}),
                ["BACD", "ABCD", "ACBD", "ACDB", "ACDB", "ACBD", "BACD", "ACDB", "ABCD", "ABCD"],
            ),
            (
                json!({"pos": -2}),
                ["CABD", "ACBD", "ABCD", "ABDC", "ABDC", "ABCD", "CABD", "ABDC", "ACBD", "ABCD"],
            ),
            (
                json!({"uid": "C"}),
                ["CABD", "ACBD", "ABCD", "ABDC", "ABDC", "ABCD", "CABD", "ABDC", "ACBD", "ABCD"],
            ),
            (
                json!({"pos": 3}),
                ["DABC", "ADBC", "ABDC", "ABCD", "ABCD", "ABDC", "DABC", "ABCD", "ADBC", "ABDC"],
            ),
        ];
        for (source, row) in table {
            for (destination, expected) in destinations.iter().zip(row) {
                let mut request = params(source.clone());
                request.extend(params(destination.clone()));
                let mut queue = queue("ABCD");
                let Move { source, destination } = movement(&queue, None, &request).unwrap();
                if let Some(index) = destination {
                    let uid = queue.get(source).unwrap().item.uid().to_owned();
                    queue.remove(&uid);
                    insert(&mut queue, uid.chars().next().unwrap(), index);
                }
                assert_eq!(letters(&queue), expected, "{request:?}");
            }
            for outside in [4, -5] {
                let mut request = params(source.clone());
                request.insert("pos_dest".to_owned(), json!(outside));
                let error = movement(&queue("ABCD"), None, &request).unwrap_err();
                assert_eq!(
                    error,
                    format!(
                        "Destination plan (position {outside}) was not found: Index '{outside}' is out of range (parameter pos = '{outside}')."
                    )
                );
            }
        }
    }

    #[test]
    fn the_running_item_neither_moves_nor_is_a_destination() {
        let queue = queue("BCD");
        let error = |value| movement(&queue, Some("A"), &params(value)).unwrap_err();
        assert_eq!(
            error(json!({"uid": "A", "pos_dest": 0})),
            "Source plan (UID 'A') was not found: The item with UID '{uid}' is currently running.."
        );
        assert!(
            error(json!({"uid": "C", "after_uid": "A"})).starts_with("Destination plan (UID 'A')")
        );
        assert_eq!(
            error(json!({"uid": "Z", "pos_dest": 0})),
            "Source plan (UID 'Z') was not found: Item with UID 'Z' is not in the queue.."
        );
    }
}
