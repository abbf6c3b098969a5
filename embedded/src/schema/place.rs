//! One value of an object, with the schema that stands for it: the walk that validation and rules share.

use std::fmt::Write;

use serde_json::Value;

use super::node::{ListType, Node};

/// A value, its schema, what stood here before, and the way from the whole object to here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) value: &'a Value,
    /// Absent for a new object, and for an element of a list whose elements have no identity.
    pub(super) old: Option<&'a Value>,
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// The whole object.
    Start,
    Member(&'a str),
    Element(usize),
}

impl<'a> Place<'a> {
    /// The whole object.
    pub(super) fn whole(node: &'a Node, value: &'a Value, old: Option<&'a Value>) -> Self {
        Self { node, value, old, above: None, step: Step::Start }
    }

    /// The same value under another schema, as if it were new.
    pub(super) fn under(&self, node: &'a Node) -> Self {
        Self { node, old: None, ..*self }
    }

    /// Whether the value is what it was.
    pub(super) fn is_unchanged(&self) -> bool {
        self.old == Some(self.value)
    }

    /// Visits the values right inside this one whose schema `matters`.
    pub(super) fn inside(
        &self,
        matters: impl Fn(&Node) -> bool,
        mut visit: impl FnMut(&Place<'_>),
    ) {
        let above = Some(self);
        match self.value {
            Value::Object(map) => {
                for (name, value) in map {
                    let Some(node) = self.node.member(name).filter(|node| matters(node)) else {
                        continue;
                    };
                    let old = self.old.and_then(|old| old.get(name));
                    visit(&Place { node, value, old, above, step: Step::Member(name) });
                }
            }
            Value::Array(items) => {
                let Some(node) = self.node.items.as_deref().filter(|node| matters(node)) else {
                    return;
                };
                for (index, value) in items.iter().enumerate() {
                    let old = self.old.and_then(|old| self.correlated(value, old));
                    visit(&Place { node, value, old, above, step: Step::Element(index) });
                }
            }
            _ => {}
        }
    }

    /// The element that `item` was before: only elements with keys have an identity.
    fn correlated<'o>(&self, item: &Value, old: &'o Value) -> Option<&'o Value> {
        let ListType::Map(keys) = &self.node.list_type else { return None };
        old.as_array()?.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
    }

    /// The path as messages write it, such as `spec.items[0].name`; empty for the whole object.
    pub(super) fn path(&self) -> String {
        let mut path = self.above.map(Place::path).unwrap_or_default();
        match self.step {
            Step::Start => {}
            Step::Member(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Element(index) => {
                // Writing to a string does not fail.
                let _ = write!(path, "[{index}]");
            }
        }
        path
    }

    /// The path of a member, whether there is one or not.
    pub(super) fn path_of(&self, name: &str) -> String {
        Place { above: Some(self), step: Step::Member(name), ..*self }.path()
    }
}
