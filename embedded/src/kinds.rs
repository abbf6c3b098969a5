//! What this API serves: the built-in kinds that we use, and the given custom resources.

pub(crate) mod builtin;
pub(crate) mod custom;
pub(crate) mod path;

use std::sync::Arc;

use serde_json::Value;

use crate::schema::node::Node;
use path::FieldPath;

/// Position of `Namespace` in the catalogue, which is always the same.
pub(crate) const NAMESPACES: usize = 0;
/// Position of core `Event`, in whose form events of both groups are stored.
pub(crate) const EVENTS: usize = 3;
/// Position of `CustomResourceDefinition`.
pub(crate) const DEFINITIONS: usize = 5;

/// One column of `kubectl get`.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// OpenAPI type: `string`, `integer`, `number`, `boolean` or `date`.
    pub(crate) type_: String,
    pub(crate) format: String,
    pub(crate) description: String,
    /// 0 is always shown, more only with `-o wide`.
    pub(crate) priority: i32,
    pub(crate) cell: Cell,
}

/// Where the content of a column comes from.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A field of the object.
    Path(FieldPath),
    /// `metadata.name`.
    Name,
    /// How many entries a map has, over several maps.
    Count(&'static [&'static str]),
    /// `kind/name` of the object an event is about.
    Regarding,
    /// When an event was last seen.
    LastSeen,
}

/// How names of a kind are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// RFC 1123 subdomain, up to 253 characters.
    Subdomain,
    /// RFC 1123 label, up to 63 characters.
    Label,
}

/// One kind as it is served.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each one is a yes-or-no fact of the Kubernetes API about a kind"
)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether `/status` is written apart from the rest.
    pub(crate) status: bool,
    /// Whether `metadata.generation` counts changes.
    pub(crate) generation: bool,
    /// Whether an update may leave out the resourceVersion.
    pub(crate) unconditional_update: bool,
    /// Whether Kubernetes itself defines the kind. Then strategic merge patches are understood, a body need not say
    /// of which kind it is, and methods that a resource does not have are told apart from those that lack a name.
    pub(crate) built_in: bool,
    pub(crate) read_only: bool,
    pub(crate) name_rule: NameRule,
    pub(crate) schema: Node,
    /// The schema as it is published in OpenAPI.
    pub(crate) openapi: Value,
    pub(crate) columns: Vec<Column>,
    /// Fields for field selectors beyond `metadata.name` and `metadata.namespace`.
    pub(crate) selectable: Vec<(String, FieldPath)>,
}

impl Kind {
    /// `group/version`, or `version` for the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `plural.group`, as error messages and the state file name the resource.
    pub(crate) fn resource_name(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Values of the selectable fields of an object.
    pub(crate) fn selectable_values(&self, object: &Value) -> Vec<String> {
        self.selectable.iter().map(|(_, path)| path.text(object)).collect()
    }

    /// What one may do with the resource, for discovery.
    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        if self.read_only {
            return &["get", "list", "watch"];
        }
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    }
}

/// All kinds, in an order that does not change while the process runs.
#[derive(Debug)]
pub(crate) struct Catalogue {
    kinds: Vec<Arc<Kind>>,
}

impl Catalogue {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds: kinds.into_iter().map(Arc::new).collect() }
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter()
    }

    pub(crate) fn get(&self, resource: usize) -> Option<&Arc<Kind>> {
        self.kinds.get(resource)
    }

    /// The resource of that group, version and plural name.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<usize> {
        self.kinds.iter().position(|kind| {
            kind.group == group && kind.version == version && kind.plural == plural
        })
    }

    /// Every `(group, version)` once, core first.
    pub(crate) fn group_versions(&self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for kind in &self.kinds {
            let pair = (kind.group.clone(), kind.version.clone());
            if !found.contains(&pair) {
                found.push(pair);
            }
        }
        found.sort();
        found
    }
}
