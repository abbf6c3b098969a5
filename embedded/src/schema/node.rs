//! A schema, compiled once: what pruning, defaulting, validation and merging ask of it is one look-up away.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::format::Format;
use super::rules::{self, Rules};

/// Type of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Type {
    /// Not said.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
}

impl Type {
    /// The word in the schema and in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrString => "integer,string",
        }
    }
}

/// What an object may contain beyond its named properties.
#[derive(Debug, Default)]
pub(crate) enum Additional {
    /// Nothing: unknown fields are pruned.
    #[default]
    None,
    /// Anything, kept as written.
    Any,
    /// Values of one schema: the object is a map.
    Map(Box<Node>),
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListType {
    /// The list is one value.
    #[default]
    Atomic,
    /// Each value occurs once.
    Set,
    /// Objects with these keys.
    Map(Vec<String>),
}

/// Numeric and size limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) min_items: Option<usize>,
    pub(crate) max_items: Option<usize>,
    pub(crate) min_properties: Option<usize>,
    pub(crate) max_properties: Option<usize>,
    pub(crate) unique_items: bool,
}

/// One place in a schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) type_: Type,
    pub(crate) nullable: bool,
    pub(crate) properties: BTreeMap<String, Node>,
    pub(crate) additional: Additional,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub(crate) preserve: bool,
    pub(crate) items: Option<Box<Node>>,
    pub(crate) list_type: ListType,
    /// `x-kubernetes-map-type: atomic`.
    pub(crate) atomic_map: bool,
    pub(crate) required: Vec<String>,
    pub(crate) allowed: Option<Vec<Value>>,
    pub(crate) bounds: Bounds,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<Format>,
    pub(crate) default: Option<Value>,
    /// Whether a default is set here or somewhere below.
    pub(crate) has_defaults: bool,
    pub(crate) all_of: Vec<Node>,
    pub(crate) any_of: Vec<Node>,
    pub(crate) one_of: Vec<Node>,
    pub(crate) not: Option<Box<Node>>,
    /// CEL rules of this place.
    pub(super) rules: Option<Box<Rules>>,
    /// Whether there are rules here or somewhere below.
    pub(crate) has_rules: bool,
}

impl Node {
    /// Compiles an OpenAPI v3 schema, or tells what in it cannot be served.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let flag = |key: &str| schema[key].as_bool() == Some(true);
        let type_ = type_of(schema)?;
        let mut properties = BTreeMap::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let node = Self::compile(property).map_err(|error| format!("{name}: {error}"))?;
            properties.insert(name.clone(), node);
        }
        let additional = match &schema["additionalProperties"] {
            Value::Bool(true) => Additional::Any,
            node @ Value::Object(_) => Additional::Map(Box::new(Self::compile(node)?)),
            _ => Additional::None,
        };
        let items = match &schema["items"] {
            items @ Value::Object(_) => Some(Box::new(Self::compile(items)?)),
            _ => None,
        };
        let pattern = match schema["pattern"].as_str() {
            Some(text) => Some(Regex::new(text).map_err(|error| error.to_string())?),
            None => None,
        };
        let children = || {
            let map = match &additional {
                Additional::Map(node) => Some(node.as_ref()),
                _ => None,
            };
            properties.values().chain(items.as_deref()).chain(map)
        };
        let default = schema.get("default").cloned();
        let has_defaults = default.is_some() || children().any(|node| node.has_defaults);
        let rules = rules::compile(schema)?;
        let has_rules = rules.is_some() || children().any(|node| node.has_rules);
        Ok(Self {
            type_,
            nullable: flag("nullable"),
            preserve: flag("x-kubernetes-preserve-unknown-fields"),
            list_type: list_type(schema),
            atomic_map: schema["x-kubernetes-map-type"] == "atomic",
            required: strings(&schema["required"]),
            allowed: schema["enum"].as_array().cloned(),
            bounds: Bounds::of(schema),
            format: schema["format"].as_str().and_then(Format::named),
            all_of: alternatives(schema, "allOf")?,
            any_of: alternatives(schema, "anyOf")?,
            one_of: alternatives(schema, "oneOf")?,
            not: match &schema["not"] {
                not @ Value::Object(_) => Some(Box::new(Self::compile(not)?)),
                _ => None,
            },
            properties,
            additional,
            items,
            pattern,
            default,
            has_defaults,
            rules,
            has_rules,
        })
    }

    /// The schema of a member of an object, if any.
    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or(match &self.additional {
            Additional::Map(node) => Some(node),
            _ => None,
        })
    }
}

impl Bounds {
    fn of(schema: &Value) -> Self {
        let size = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let flag = |key: &str| schema[key].as_bool() == Some(true);
        Self {
            minimum: schema["minimum"].as_f64(),
            maximum: schema["maximum"].as_f64(),
            exclusive_minimum: flag("exclusiveMinimum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            multiple_of: schema["multipleOf"].as_f64(),
            min_length: size("minLength"),
            max_length: size("maxLength"),
            min_items: size("minItems"),
            max_items: size("maxItems"),
            min_properties: size("minProperties"),
            max_properties: size("maxProperties"),
            unique_items: flag("uniqueItems"),
        }
    }
}

fn type_of(schema: &Value) -> Result<Type, String> {
    if schema["x-kubernetes-int-or-string"].as_bool() == Some(true) {
        return Ok(Type::IntOrString);
    }
    Ok(match schema["type"].as_str() {
        None | Some("") => Type::Any,
        Some("object") => Type::Object,
        Some("array") => Type::Array,
        Some("string") => Type::String,
        Some("integer") => Type::Integer,
        Some("number") => Type::Number,
        Some("boolean") => Type::Boolean,
        Some(other) => return Err(format!("unknown type {other:?}")),
    })
}

fn list_type(schema: &Value) -> ListType {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(strings(&schema["x-kubernetes-list-map-keys"])),
        _ => ListType::Atomic,
    }
}

fn alternatives(schema: &Value, key: &str) -> Result<Vec<Node>, String> {
    schema[key].as_array().into_iter().flatten().map(Node::compile).collect()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
