//! The functions of the Python client, which bluesky-httpserver calls with the members of a body: what they take, and the words in
//! which they refuse the rest (contract queue-server §4.1, §4.2).

use serde_json::{Map, Value, json};

use crate::python;

/// The function that takes everything there is.
const MODE: &str = "queue_mode_set";

/// One function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Every parameter that it takes.
    pub(super) takes: &'static [&'static str],
    pub(super) needs: Needs,
}

/// The parameter without which the function cannot be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// It is refused without this one.
    Argument(&'static str),
    /// It is not called without this one: the body goes to the manager as it is, which says why that will not do.
    ToBeCalled(&'static str),
}

impl Function {
    /// The parameters of the method that the function asks for.
    ///
    /// # Errors
    /// What the function says of the arguments.
    pub(super) fn call(self, mut given: Map<String, Value>) -> Result<Map<String, Value>, String> {
        let needed = match self.needs {
            Needs::Nothing => "",
            Needs::Argument(name) | Needs::ToBeCalled(name) => name,
        };
        let is_there = given.contains_key(needed);
        if matches!(self.needs, Needs::ToBeCalled(_)) && !is_there {
            return Ok(given);
        }
        let call = format!("API_Async_Mixin.{}()", self.name);
        let is_strange = |key: &&String| self.name != MODE && !self.takes.contains(&key.as_str());
        if let Some(strange) = given.keys().find(is_strange) {
            let strange = python::repr_str(strange);
            return Err(format!("{call} got an unexpected keyword argument {strange}"));
        }
        if !needed.is_empty() && !is_there {
            return Err(format!("{call} missing 1 required positional argument: '{needed}'"));
        }
        for (name, value) in &given {
            self.check(name, value)?;
        }
        given.retain(|name, value| match name.as_str() {
            // A wish of the client for itself: to look past its cache, which is not here.
            "reload" => self.name == MODE,
            "lock_key" => !value.is_null(),
            name => self.name == MODE || name == needed || !value.is_null(),
        });
        self.finish(given)
    }

    fn check(self, name: &str, value: &Value) -> Result<(), String> {
        let (kind, shown) = (python::type_of(value), python::repr(value));
        match (self.name, name, value) {
            (_, "item", Value::Object(_))
            | (_, "lock_key", Value::Null)
            | ("task_status", "task_uid", Value::String(_) | Value::Array(_) | Value::Object(_))
            | ("task_result", "task_uid", Value::String(_))
            | ("lock", "note", Value::Null | Value::String(_)) => Ok(()),
            (_, "item", _) => {
                Err(format!("Incorrect item type {kind}. Expected type: 'BItem' or 'dict'"))
            }
            (_, "items", Value::Array(items)) => check_items(items.iter()),
            (_, "items", Value::Object(items)) => {
                check_items(items.keys().map(|key| json!(key)).collect::<Vec<_>>().iter())
            }
            (_, "items", Value::String(text)) => {
                check_items(text.chars().map(|c| json!(c)).collect::<Vec<_>>().iter())
            }
            (_, "items", _) => {
                Err(format!("Parameter ``items`` must be iterable: type(items)={kind}"))
            }
            (_, "lock_key", Value::String(key)) if !key.is_empty() => Ok(()),
            (_, "lock_key", _) => Err(format!(
                "Parameter 'lock_key' must be non-empty string or None: lock_key={shown}"
            )),
            ("lock", "note", _) => {
                Err(format!("Parameter 'note' must be a string or None: note={shown}"))
            }
            ("task_status", "task_uid", _) => Err(format!(
                "Invalid type of parameter 'task_uid' ({kind}). String or iterable (list) is expected."
            )),
            ("task_result", "task_uid", _) => {
                Err(format!("Invalid type of parameter 'task_uid' ({kind}). String is expected."))
            }
            ("re_runs", "option", option) => match option.as_str() {
                Some("active" | "open" | "closed") => Ok(()),
                None if option.is_null() => Ok(()),
                _ => Err(format!(
                    "Unsupported option {shown}. Supported options: (None, 'active', 'open', 'closed')"
                )),
            },
            _ => Ok(()),
        }
    }

    /// What some functions make of their arguments.
    fn finish(self, mut given: Map<String, Value>) -> Result<Map<String, Value>, String> {
        match self.name {
            "queue_autostart" => {
                let enable = given.get("enable").is_some_and(python::is_true);
                given.insert("enable".to_owned(), json!(enable));
            }
            MODE => {
                let lock_key = given.remove_entry("lock_key");
                let mode = given.remove("mode").unwrap_or(Value::Object(given));
                given = Map::from_iter([("mode".to_owned(), mode)]);
                given.extend(lock_key);
            }
            "lock" | "unlock" if !given.contains_key("lock_key") => {
                let name = self.name;
                return Err(format!("Failed to format the '{name}' request: Lock key is not set"));
            }
            "lock" => {
                given.retain(|name, value| match name.as_str() {
                    "environment" | "queue" | "note" => python::is_true(value),
                    _ => true,
                });
                for part in ["environment", "queue"] {
                    given.entry(part).and_modify(|value| *value = json!(true));
                }
            }
            _ => {}
        }
        Ok(given)
    }
}

fn check_items<'a>(items: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    for (index, item) in items.enumerate() {
        if !item.is_object() {
            let (kind, shown) = (python::type_of(item), python::repr(item));
            return Err(format!(
                "Incorrect type {kind} if item #{index} ({shown}). Expected type: 'BItem' or 'dict'"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &'static str, needs: Needs, given: Value) -> Result<Value, String> {
        let takes = &[
            "item",
            "items",
            "uids",
            "option",
            "task_uid",
            "enable",
            "environment",
            "queue",
            "note",
            "lock_key",
            "reload",
        ];
        let Value::Object(given) = given else { unreachable!("an object literal") };
        Function { name, takes, needs }.call(given).map(Value::Object)
    }

    fn refused(name: &'static str, needs: Needs, given: Value) -> String {
        call(name, needs, given).unwrap_err()
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused_in_the_words_of_python() {
        use Needs::{Argument, Nothing, ToBeCalled};
        for (text, expected) in [
            (
                refused("status", Nothing, json!({"a": 1})),
                "API_Async_Mixin.status() got an unexpected keyword argument 'a'",
            ),
            (
                refused("item_update", Argument("item"), json!({})),
                "API_Async_Mixin.item_update() missing 1 required positional argument: 'item'",
            ),
            (
                refused("item_add", ToBeCalled("item"), json!({"item": 5})),
                "Incorrect item type <class 'int'>. Expected type: 'BItem' or 'dict'",
            ),
            (
                refused("item_add_batch", ToBeCalled("items"), json!({"items": [{}, "a"]})),
                "Incorrect type <class 'str'> if item #1 ('a'). Expected type: 'BItem' or 'dict'",
            ),
            (
                refused("item_add_batch", ToBeCalled("items"), json!({"items": 5})),
                "Parameter ``items`` must be iterable: type(items)=<class 'int'>",
            ),
            (
                refused("re_runs", Nothing, json!({"option": "zz"})),
                "Unsupported option 'zz'. Supported options: (None, 'active', 'open', 'closed')",
            ),
            (
                refused("lock", Nothing, json!({})),
                "Failed to format the 'lock' request: Lock key is not set",
            ),
            (
                refused("queue_clear", Nothing, json!({"lock_key": ""})),
                "Parameter 'lock_key' must be non-empty string or None: lock_key=''",
            ),
            (
                refused("task_result", ToBeCalled("task_uid"), json!({"task_uid": 5})),
                "Invalid type of parameter 'task_uid' (<class 'int'>). String is expected.",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_body_without_what_is_needed_goes_to_the_manager_as_it_is() {
        let given = json!({"strange": null});
        assert_eq!(call("item_add", Needs::ToBeCalled("item"), given.clone()), Ok(given));
    }

    #[test]
    fn a_mode_is_whatever_is_given_and_for_the_manager_to_judge() {
        let flat = call(MODE, Needs::Nothing, json!({"loop": true, "x": null, "lock_key": "k"}));
        assert_eq!(flat, Ok(json!({"mode": {"loop": true, "x": null}, "lock_key": "k"})));
        let whole = call(MODE, Needs::Nothing, json!({"mode": "default", "x": 1}));
        assert_eq!(whole, Ok(json!({"mode": "default"})));
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let given = json!({"item": {}, "option": null, "reload": true, "lock_key": null});
        assert_eq!(call("f", Needs::Argument("item"), given), Ok(json!({"item": {}})));
        let given = json!({"lock_key": "k", "environment": 1, "queue": 0, "note": ""});
        let locked = json!({"lock_key": "k", "environment": true});
        assert_eq!(call("lock", Needs::Nothing, given), Ok(locked));
        let given = json!({"enable": "yes"});
        assert_eq!(
            call("queue_autostart", Needs::Argument("enable"), given),
            Ok(json!({"enable": true}))
        );
    }
}
