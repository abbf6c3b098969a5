//! Who may do what: the user groups of a queue and their patterns (contract queue-server §2.8).

pub mod document;
mod names;
pub mod pattern;
mod syntax;
mod tree;

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use self::names::allows as name_allowed;
pub use self::tree::filter as filter_devices;

/// The groups that exist when the queue's `permissions` are empty. Both may do everything.
const DEFAULT_GROUPS: [&str; 2] = ["root", "primary"];
/// The group whose permissions hold for all others too.
pub const ROOT: &str = "root";

/// Who may submit what: `user_group_permissions` of the queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Permissions(pub Map<String, Value>);

/// The patterns for one kind of thing.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What is allowed; `null` first for everything.
    pub allowed: &'a [Value],
    /// What is not allowed all the same; `null` first for nothing.
    pub forbidden: &'a [Value],
}

impl<'a> Rules<'a> {
    /// The rules of a group for `plans`, `devices` or `functions`.
    pub fn of(group: &'a Value, things: &str) -> Self {
        let list = |verb| {
            let key = format!("{verb}_{things}");
            group.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
        };
        Self { allowed: list("allowed"), forbidden: list("forbidden") }
    }
}

impl Permissions {
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

    /// Whether users of the group may call the function: as `root` may, and by the rules of the group itself.
    ///
    /// # Errors
    /// A group without permissions, or a pattern that cannot be read.
    pub fn allow_function(&self, name: &str, group: &str) -> Result<bool, String> {
        let effective = self.effective();
        let groups = effective
            .get("user_groups")
            .ok_or("User group permissions dictionary does not contain 'user_groups' key")?;
        let rules = |group: &str| match groups.get(group) {
            Some(group) => Ok(Rules::of(group, "functions")),
            None => Err(format!("No permissions are defined for user group '{group}'")),
        };
        let (root, own) = (rules(ROOT)?, rules(group)?);
        Ok(name_allowed(name, root)? && name_allowed(name, own)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_passes_root_and_the_group() {
        let groups = json!({"user_groups": {
            "root": {"allowed_functions": [":^elem"], "forbidden_functions": [":3$"]},
            "primary": {"allowed_functions": [null]},
            "guests": {},
        }});
        let permissions = Permissions(groups.as_object().unwrap().clone());
        assert_eq!(permissions.allow_function("elem1", "primary"), Ok(true));
        assert_eq!(permissions.allow_function("elem3", "primary"), Ok(false));
        assert_eq!(permissions.allow_function("other", "primary"), Ok(false));
        assert_eq!(permissions.allow_function("elem1", "guests"), Ok(false));
        assert!(permissions.allow_function("elem1", "nobody").is_err());
        assert_eq!(Permissions::default().allow_function("any", "primary"), Ok(true));
    }
}
