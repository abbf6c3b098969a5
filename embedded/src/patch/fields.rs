//! Sets of fields as `managedFields` writes them: `f:name` members, `k:{…}` list elements by key, `v:…` set values.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::schema::node::{ListType, Node};

/// A set of fields, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// Whether the place itself belongs to the set.
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// Every field of `value`.
    pub(crate) fn of(node: Option<&Node>, value: &Value) -> Self {
        let children: BTreeMap<String, FieldSet> = match value {
            Value::Object(map) if !is_atomic_map(node) => map
                .iter()
                .map(|(name, member)| {
                    let child = node.and_then(|node| node.member(name));
                    (format!("f:{name}"), Self::of(child, member))
                })
                .collect(),
            Value::Array(items) => elements(node, items)
                .into_iter()
                .map(|(key, item)| {
                    let mut set = Self::of(node.and_then(|node| node.items.as_deref()), item);
                    set.member = true;
                    (key, set)
                })
                .collect(),
            _ => BTreeMap::new(),
        };
        if children.is_empty() { Self::leaf() } else { Self { member: false, children } }
    }

    /// The fields of `new` that `old` does not have, or has with another value.
    pub(crate) fn changed(node: Option<&Node>, old: &Value, new: &Value) -> Self {
        if old == new {
            return Self::default();
        }
        let mut children = BTreeMap::new();
        let mut add = |key: String, child: Option<&Node>, old: Option<&Value>, new: &Value| {
            let set = match old {
                Some(old) => Self::changed(child, old, new),
                None if key.starts_with("f:") => Self::of(child, new),
                None => Self { member: true, ..Self::of(child, new) },
            };
            if !set.is_empty() {
                children.insert(key, set);
            }
        };
        match (old, new) {
            (Value::Object(before), Value::Object(after)) if !is_atomic_map(node) => {
                for (name, member) in after {
                    let child = node.and_then(|node| node.member(name));
                    add(format!("f:{name}"), child, before.get(name), member);
                }
            }
            (Value::Array(before), Value::Array(after)) if is_granular_list(node) => {
                let before: BTreeMap<_, _> = elements(node, before).into_iter().collect();
                let child = node.and_then(|node| node.items.as_deref());
                for (key, item) in elements(node, after) {
                    let old = before.get(&key).copied();
                    add(key, child, old, item);
                }
            }
            _ => return Self::of(node, new),
        }
        Self { member: false, children }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds the fields of `other`.
    pub(crate) fn unite(&mut self, other: &Self) {
        self.member |= other.member;
        for (key, set) in &other.children {
            self.children.entry(key.clone()).or_default().unite(set);
        }
    }

    /// Takes out the fields of `other`.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (key, set) in &other.children {
            if let Some(mine) = self.children.get_mut(key) {
                mine.subtract(set);
                if mine.is_empty() {
                    self.children.remove(key);
                }
            }
        }
    }

    /// The fields that are in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let children = self
            .children
            .iter()
            .filter_map(|(key, mine)| {
                let both = mine.intersection(other.children.get(key)?);
                (!both.is_empty()).then(|| (key.clone(), both))
            })
            .collect();
        Self { member: self.member && other.member, children }
    }

    /// The fields of this set that a change of `changed` on `before` takes away: those that are in both, and those whose
    /// value becomes a value of another shape.
    pub(crate) fn overridden(&self, changed: &Self, before: Option<&Value>) -> Self {
        let shape_is_kept = before.is_none_or(|value| value.is_object() || value.is_array());
        if self.children.is_empty() && !changed.children.is_empty() && !shape_is_kept {
            return self.clone();
        }
        if changed.children.is_empty() && changed.member && !self.children.is_empty() {
            return self.clone();
        }
        let children = self
            .children
            .iter()
            .filter_map(|(key, mine)| {
                let before = before.and_then(|before| lookup(before, key));
                let lost = mine.overridden(changed.children.get(key)?, before);
                (!lost.is_empty()).then(|| (key.clone(), lost))
            })
            .collect();
        Self { member: self.member && changed.member, children }
    }

    /// Takes out the fields that `value` does not have.
    pub(crate) fn retain_present(&mut self, value: &Value) {
        self.children.retain(|key, set| match lookup(value, key) {
            Some(child) => {
                set.retain_present(child);
                !set.is_empty()
            }
            None => false,
        });
    }

    /// Takes out what nobody owns: identity, and what the server sets.
    pub(crate) fn without_server_fields(mut self) -> Self {
        const ROOT: &[&str] = &["f:apiVersion", "f:kind"];
        const METADATA: &[&str] = &[
            "f:name",
            "f:namespace",
            "f:uid",
            "f:resourceVersion",
            "f:generation",
            "f:generateName",
            "f:creationTimestamp",
            "f:deletionTimestamp",
            "f:deletionGracePeriodSeconds",
            "f:managedFields",
            "f:selfLink",
        ];
        self.children.retain(|key, _| !ROOT.contains(&key.as_str()));
        if let Some(metadata) = self.children.get_mut("f:metadata") {
            metadata.member = false;
            metadata.children.retain(|key, _| !METADATA.contains(&key.as_str()));
            if metadata.is_empty() {
                self.children.remove("f:metadata");
            }
        }
        self.member = false;
        self
    }

    /// Removes these fields from `value`, except what is in `keep`, and containers that this leaves empty.
    pub(crate) fn remove_from(&self, value: &mut Value, keep: &Self) {
        for (key, set) in &self.children {
            let kept = keep.children.get(key);
            let nothing = Self::default();
            let Some(child) = lookup_mut(value, key) else { continue };
            set.remove_from(child, kept.unwrap_or(&nothing));
            let emptied = match child {
                Value::Object(map) => map.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if kept.is_none() && (set.member || emptied) {
                remove(value, key);
            }
        }
    }

    /// The `fieldsV1` form.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        map.extend(self.children.iter().map(|(key, set)| (key.clone(), set.to_json())));
        Value::Object(map)
    }

    /// Reads the `fieldsV1` form of a whole object's set.
    pub(crate) fn from_json(value: &Value) -> Self {
        let mut set = Self::read(value);
        set.member = false;
        set
    }

    fn read(value: &Value) -> Self {
        let Value::Object(map) = value else { return Self::leaf() };
        let children: BTreeMap<_, _> = map
            .iter()
            .filter(|(key, _)| *key != ".")
            .map(|(key, value)| (key.clone(), Self::read(value)))
            .collect();
        Self { member: children.is_empty() || map.contains_key("."), children }
    }

    /// The paths of the set, as messages write them: `.spec.conditions[type="Ready"].status`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (key, set) in &self.children {
            let step = match key.split_at_checked(2) {
                Some(("f:", name)) => format!(".{name}"),
                Some(("k:", keys)) => {
                    let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                    let pairs: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                    format!("[{}]", pairs.join(","))
                }
                Some((_, value)) => format!("[={value}]"),
                None => continue,
            };
            set.collect_paths(&format!("{prefix}{step}"), paths);
        }
    }
}

fn is_atomic_map(node: Option<&Node>) -> bool {
    node.is_some_and(|node| node.atomic_map)
}

/// Whether the elements of a list can be owned one by one.
pub(crate) fn is_granular_list(node: Option<&Node>) -> bool {
    node.is_some_and(|node| node.list_type != ListType::Atomic)
}

/// The elements of a list with the keys by which they are told apart; none if the list is one value.
pub(crate) fn elements<'a>(node: Option<&Node>, items: &'a [Value]) -> Vec<(String, &'a Value)> {
    let keyed = |item: &'a Value| match &node?.list_type {
        ListType::Atomic => None,
        ListType::Set => Some((format!("v:{item}"), item)),
        ListType::Map(keys) => {
            let members = node?.items.as_deref();
            let mut sorted: Vec<&String> = keys.iter().collect();
            sorted.sort();
            let map: Map<String, Value> = sorted
                .into_iter()
                .filter_map(|key| {
                    let default = || members?.member(key)?.default.clone();
                    Some((key.clone(), item.get(key).cloned().or_else(default)?))
                })
                .collect();
            Some((format!("k:{}", Value::Object(map)), item))
        }
    };
    items.iter().filter_map(keyed).collect()
}

fn position(items: &[Value], key: &str) -> Option<usize> {
    match key.split_at_checked(2)? {
        ("k:", keys) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
            items.iter().position(|item| {
                // A missing key stands for its default.
                keys.iter().all(|(key, value)| item.get(key).is_none_or(|found| found == value))
            })
        }
        ("v:", value) => {
            let value: Value = serde_json::from_str(value).ok()?;
            items.iter().position(|item| *item == value)
        }
        _ => None,
    }
}

fn lookup<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(key.strip_prefix("f:")?),
        Value::Array(items) => items.get(position(items, key)?),
        _ => None,
    }
}

fn lookup_mut<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(key.strip_prefix("f:")?),
        Value::Array(items) => {
            let at = position(items, key)?;
            items.get_mut(at)
        }
        _ => None,
    }
}

fn remove(value: &mut Value, key: &str) {
    match value {
        Value::Object(map) => {
            map.shift_remove(key.strip_prefix("f:").unwrap_or(key));
        }
        Value::Array(items) => {
            if let Some(at) = position(items, key) {
                items.remove(at);
            }
        }
        _ => {}
    }
}
