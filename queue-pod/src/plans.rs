//! What a worker can run, and whether a submitted plan may be queued (contract queue-server §2.10).

pub mod binding;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::item::Item;
use crate::python;

/// The plans and devices that the last opened environment had, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Plan descriptions (contract queue-server §6.4).
    pub plans: Map<String, Value>,
    /// Device descriptions (contract queue-server §6.3).
    pub devices: Map<String, Value>,
}

impl Catalogue {
    /// The catalogue that a worker reports; anything but objects counts as empty.
    pub fn new(plans: Value, devices: Value) -> Self {
        let object = |value| match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self { plans: object(plans), devices: object(devices) }
    }
}

/// The groups that exist when the queue's `permissions` are empty. Both may do everything.
const DEFAULT_GROUPS: [&str; 2] = ["root", "primary"];

/// Who may submit what: `user_group_permissions` of the queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Permissions(pub Map<String, Value>);

impl Permissions {
    /// Whether items of that group are taken at all.
    pub fn knows(&self, group: &str) -> bool {
        match self.0.get("user_groups").and_then(Value::as_object) {
            Some(groups) => groups.contains_key(group),
            None => DEFAULT_GROUPS.contains(&group),
        }
    }

    /// The permissions in force, as `permissions_get` answers them.
    pub fn effective(&self) -> Value {
        if !self.0.is_empty() {
            return Value::Object(self.0.clone());
        }
        let everything = json!({
            "allowed_plans": [null], "allowed_devices": [null], "allowed_functions": [null],
        });
        let groups = DEFAULT_GROUPS.map(|group| (group.to_owned(), everything.clone()));
        json!({ "user_groups": Map::from_iter(groups) })
    }
}

/// Whether the plan `item` may be queued: a known plan whose arguments bind to its parameters.
///
/// # Errors
/// `Plan validation failed: …` with the reason and the item.
pub fn validate(item: &Item, catalogue: &Catalogue) -> Result<(), String> {
    check(item, catalogue).map_err(|reason| {
        let shown = python::pformat(&Value::Object(item.0.clone()));
        format!("Plan validation failed: {reason}\nPlan: {shown}")
    })
}

fn check(item: &Item, catalogue: &Catalogue) -> Result<(), String> {
    let name = item.0.get("name").ok_or("'name'")?;
    let description =
        name.as_str().and_then(|name| catalogue.plans.get(name)).ok_or_else(|| {
            format!("Plan '{}' is not in the list of allowed plans.", python::str(name))
        })?;
    let args = match item.0.get("args") {
        None => &[][..],
        Some(Value::Array(args)) => args,
        Some(other) => {
            return Err(format!(
                "Plan parameter 'args' must be a list: {}",
                python::type_of(other)
            ));
        }
    };
    let nothing = Map::new();
    let kwargs = match item.0.get("kwargs") {
        None => &nothing,
        Some(Value::Object(kwargs)) => kwargs,
        Some(other) => {
            let kind = python::type_of(other);
            return Err(format!("Plan parameter 'kwargs' must be a dictionary: {kind}"));
        }
    };
    binding::bind(&binding::parameters(description), args, kwargs)?;
    match item.0.get("meta") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(()),
        Some(_) => {
            Err("Plan parameter 'meta' must be a dictionary or a list of dictionaries".to_owned())
        }
    }
}

/// The metadata of a run: one object, of a list of objects the first wins key by key.
pub fn merged_meta(meta: Option<&Value>) -> Map<String, Value> {
    match meta {
        Some(Value::Object(map)) => map.clone(),
        Some(Value::Array(list)) => {
            let objects = list.iter().rev().filter_map(Value::as_object);
            objects.flat_map(|map| map.iter().map(|(k, v)| (k.clone(), v.clone()))).collect()
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let parameter = |name: &str, kind: &str, default: Option<&str>| {
            let mut parameter = json!({"name": name, "kind": {"name": kind, "value": 1}});
            if let Some(default) = default {
                parameter["default"] = json!(default);
            }
            parameter
        };
        let count = json!({"name": "count", "parameters": [
            parameter("detectors", "POSITIONAL_OR_KEYWORD", None),
            parameter("num", "POSITIONAL_OR_KEYWORD", Some("1")),
            parameter("md", "KEYWORD_ONLY", Some("None")),
        ]});
        Catalogue::new(json!({"count": count}), json!({}))
    }

    fn item(value: Value) -> Item {
        let Value::Object(map) = value else { unreachable!("an object literal") };
        Item(map)
    }

    #[test]
    fn reasons_are_those_of_the_contract() {
        for (plan, reason) in [
            (json!({"name": "nope"}), "Plan 'nope' is not in the list of allowed plans."),
            (json!({}), "'name'"),
            (json!({"name": "count"}), "missing a required argument: 'detectors'"),
            (
                json!({"name": "count", "args": [[]], "kwargs": {"zz": 1}}),
                "got an unexpected keyword argument 'zz'",
            ),
            (json!({"name": "count", "args": [[], 1, 2]}), "too many positional arguments"),
            (
                json!({"name": "count", "args": [[], 1], "kwargs": {"num": 2}}),
                "multiple values for argument 'num'",
            ),
            (
                json!({"name": "count", "args": [[]], "meta": 5}),
                "Plan parameter 'meta' must be a dictionary or a list of dictionaries",
            ),
        ] {
            let error = validate(&item(plan.clone()), &catalogue()).unwrap_err();
            let head = format!("Plan validation failed: {reason}\nPlan: {{");
            assert!(error.starts_with(&head), "{plan}: {error}");
        }
        let good = json!({"name": "count", "args": [["det"]], "kwargs": {"num": 3, "md": {}}, "meta": [{}]});
        assert_eq!(validate(&item(good), &catalogue()), Ok(()));
    }

    #[test]
    fn of_several_metadata_the_first_wins() {
        let merged = merged_meta(Some(&json!([{"a": 1}, {"a": 2, "b": 3}])));
        assert_eq!(Value::Object(merged), json!({"a": 1, "b": 3}));
    }

    #[test]
    fn without_permissions_root_and_primary_may_do_everything() {
        let permissions = Permissions::default();
        assert!(permissions.knows("root") && permissions.knows("primary"));
        assert!(!permissions.knows("zzz"));
    }
}
