//! What each user group may use of a catalogue (contract queue-server §2.8).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::description::Plan;
use super::permissions::{Permissions, ROOT, Rules, filter_devices, name_allowed};
use super::{Catalogue, json_schema};

/// The plans and devices of one user group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Descriptions of the plans; what they list of devices and plans is what the group may use.
    pub plans: Map<String, Value>,
    /// The tree of devices.
    pub devices: Map<String, Value>,
    read: HashMap<String, Plan>,
}

impl Group {
    fn new(plans: &Map<String, Value>, devices: Map<String, Value>) -> Self {
        let filtered = |(name, description): (&String, &Value)| {
            (name.clone(), filtered(description, plans, &devices))
        };
        let plans: Map<_, _> = plans.iter().map(filtered).collect();
        let read = plans.iter().map(|(name, plan)| (name.clone(), Plan::read(plan))).collect();
        Self { plans, devices, read }
    }

    /// The descriptions as they are; a call is checked against what is left of them.
    fn everything(catalogue: &Catalogue) -> Self {
        let group = Self::new(&catalogue.plans, catalogue.devices.clone());
        Self { plans: catalogue.plans.clone(), ..group }
    }

    /// The JSON Schema of the arguments of each plan, or of the one of that name. A plan that no call fits has none.
    pub fn schemas(&self, name: Option<&str>) -> Map<String, Value> {
        let schema = |(plan, description): (&String, &Value)| {
            let read = self.read.get(plan).filter(|_| name.is_none_or(|name| name == plan))?;
            Some((plan.clone(), json_schema::schema(plan, description, read).ok()?))
        };
        self.plans.iter().filter_map(schema).collect()
    }

    /// The plan of that name, if the group may run it.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.read.get(name)
    }
}

/// What each user group may use. Made anew when the catalogue or the permissions change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allowed {
    groups: HashMap<String, Group>,
}

impl Allowed {
    /// Applies the permissions to the catalogue: those of `root` first, then those of each group.
    ///
    /// If the permissions cannot be applied, only `root` is left, and may use everything, as with the Python package.
    pub fn new(catalogue: &Catalogue, permissions: &Permissions) -> Self {
        let mut allowed = Self::default();
        if let Err(error) = allowed.apply(catalogue, permissions) {
            tracing::error!(
                error,
                "the permissions cannot be applied; only the group root is left"
            );
            allowed.groups.insert(ROOT.to_owned(), Group::everything(catalogue));
        }
        allowed
    }

    fn apply(&mut self, catalogue: &Catalogue, permissions: &Permissions) -> Result<(), String> {
        let effective = permissions.effective();
        let groups = effective.get("user_groups").and_then(Value::as_object);
        let groups = groups.ok_or("No user groups are defined")?;
        let everything = (catalogue.plans.clone(), catalogue.devices.clone());
        let root = match groups.get(ROOT) {
            Some(root) => selected(&everything, root)?,
            None => everything,
        };
        for (name, group) in groups {
            let (plans, devices) = match name.as_str() {
                ROOT => root.clone(),
                _ => selected(&root, group)?,
            };
            self.groups.insert(name.clone(), Group::new(&plans, devices));
        }
        Ok(())
    }

    /// What a group may use; `None` if there is no such group.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }
}

type Things = (Map<String, Value>, Map<String, Value>);

fn selected((plans, devices): &Things, group: &Value) -> Result<Things, String> {
    let devices = filter_devices(devices, Rules::of(group, "devices"))?;
    let rules = Rules::of(group, "plans");
    let mut left = Map::new();
    for (name, description) in plans {
        if name_allowed(name, rules)? {
            left.insert(name.clone(), description.clone());
        }
    }
    Ok((left, devices))
}

/// The description with only those devices and plans in its annotations that may be used.
fn filtered(
    description: &Value,
    plans: &Map<String, Value>,
    devices: &Map<String, Value>,
) -> Value {
    let mut description = description.clone();
    let parameters = description.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        for (section, tree) in [("plans", plans), ("devices", devices)] {
            let lists = parameter
                .get_mut("annotation")
                .and_then(|annotation| annotation.get_mut(section))
                .and_then(Value::as_object_mut);
            for list in lists.into_iter().flat_map(Map::values_mut).filter_map(Value::as_array_mut)
            {
                list.retain(|name| name.as_str().is_some_and(|name| is_in(name, tree)));
            }
        }
    }
    description
}

/// Whether a name, with its dots, is one of the tree and not excluded from it.
pub fn is_in(name: &str, tree: &Map<String, Value>) -> bool {
    let name = name.replace(' ', "");
    if name.contains(':') {
        return false;
    }
    let Ok(parts) = super::permissions::pattern::name_of(&name) else { return false };
    let mut level = Some(tree);
    let mut found = false;
    for part in &parts {
        let Some(item) = level.and_then(|level| level.get(part)) else { return false };
        found = item.get("excluded") != Some(&Value::Bool(true));
        level = item.get("components").and_then(Value::as_object);
    }
    found
}
