//! What a value was taken for, and whether that changed its type: such a value is refused (contract queue-server §2.10, step 4).

use serde_json::{Map, Value};

use super::fault::{self, Path};
use super::{Fault, Type, fit};
use crate::python;

/// How near a value is to its type; the nearest choice of a union wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Converted.
    Lax,
    /// Accepted in strict mode too.
    Strict,
    /// As it is.
    Exact,
}

/// A value that fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// What it was taken for.
    pub taken: Taken<'a>,
    /// How near that is.
    pub precision: Precision,
}

impl Found<'_> {
    /// A value that fits as it is.
    pub const EXACT: Self = Self { taken: Taken::Same, precision: Precision::Exact };
}

/// The type of a collection that a list became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `list`
    List,
    /// `tuple`
    Tuple,
    /// `set`
    Set,
    /// `frozenset`
    FrozenSet,
}

/// What a value was taken for.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken<'a> {
    /// Itself.
    Same,
    /// A truth value.
    Bool(bool),
    /// An integer, in decimal digits.
    Int(String),
    /// A float.
    Float(f64),
    /// A value of a `Literal`.
    Constant(&'a Value),
    /// A member of an enumeration: its type and its value.
    Member(&'a str, &'a str),
    /// A collection, item by item.
    Items(Shape, Vec<Taken<'a>>),
    /// A dictionary: keys and values, in order.
    Entries(Vec<(Taken<'a>, Taken<'a>)>),
    /// An iterator that checks its items when they are asked for.
    Later(&'a Type),
}

/// A value as Python sees it: also the rest of the arguments, which is a tuple or a dictionary without being a JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<'a> {
    /// One argument.
    One(&'a Value),
    /// `*args`.
    Rest(&'a [Value]),
    /// `**kwargs`.
    Named(Map<String, Value>),
}

impl Given<'_> {
    /// `str(value)`
    pub fn shown(&self) -> String {
        match self {
            Self::One(value) => python::str(value),
            Self::Rest(list) => tuple(&list.iter().map(python::repr).collect::<Vec<_>>()),
            Self::Named(map) => python::repr_map(map),
        }
    }

    /// `type(value)`
    pub fn kind(&self) -> String {
        match self {
            Self::One(value) => python::type_of(value),
            Self::Rest(_) => "<class 'tuple'>".to_owned(),
            Self::Named(_) => "<class 'dict'>".to_owned(),
        }
    }

    /// Whether the value kept its type.
    ///
    /// # Errors
    /// The faults of items that were not checked before.
    pub fn keeps(&self, taken: &Taken<'_>) -> Result<bool, String> {
        match (self, taken) {
            (Self::One(value), taken) => keeps(value, taken),
            (Self::Rest(list), Taken::Items(_, items)) => keep(list.iter().zip(items)),
            (Self::Named(map), Taken::Entries(entries)) => Ok(keys_keep(map, entries)),
            _ => Ok(true),
        }
    }

    /// `str()` and `type()` of what it was taken for.
    pub fn interpreted(&self, taken: &Taken<'_>) -> (String, String) {
        match (self, taken) {
            (Self::Rest(list), Taken::Items(shape, items)) => {
                (collection(*shape, list, items), kind(&Value::Null, taken))
            }
            (Self::Rest(list), _) => {
                (python::repr_list(list.iter().map(python::repr)), "<class 'list'>".to_owned())
            }
            (Self::Named(map), Taken::Entries(entries)) => (dict(map, entries), self.kind()),
            (Self::Named(_), _) => (self.shown(), self.kind()),
            (Self::One(Value::String(text)), Taken::Same) => (text.clone(), self.kind()),
            (Self::One(value), taken) => (repr(value, taken), kind(value, taken)),
        }
    }
}

fn keeps(value: &Value, taken: &Taken<'_>) -> Result<bool, String> {
    match (taken, value) {
        (Taken::Same | Taken::Member(..), _) => Ok(true),
        // For Python a truth value is an integer, and an integer will do as a float.
        (Taken::Bool(_), Value::Number(number)) => Ok(!number.is_f64()),
        (Taken::Float(_), Value::Bool(_)) => Ok(true),
        (Taken::Float(_), Value::Number(_)) => Ok(true),
        (Taken::Constant(Value::Bool(_)), Value::Number(number)) => Ok(!number.is_f64()),
        (Taken::Bool(_) | Taken::Int(_) | Taken::Float(_) | Taken::Constant(_), _) => Ok(false),
        (Taken::Items(_, items), Value::Array(list)) => keep(list.iter().zip(items)),
        (Taken::Items(..), _) => Ok(true),
        (Taken::Entries(entries), Value::Object(map)) => Ok(keys_keep(map, entries)),
        (Taken::Entries(_), _) => Ok(true),
        (Taken::Later(ty), Value::Array(list)) => later(ty, list.iter()),
        (Taken::Later(ty), Value::Object(map)) => {
            let keys: Vec<_> = map.keys().map(|key| Value::String(key.clone())).collect();
            later(ty, keys.iter())
        }
        (Taken::Later(_), _) => Ok(false),
    }
}

fn keep<'v, 't>(pairs: impl Iterator<Item = (&'v Value, &'t Taken<'t>)>) -> Result<bool, String> {
    let mut all = true;
    for (value, taken) in pairs {
        all &= keeps(value, taken)?;
    }
    Ok(all)
}

/// Dictionaries are compared as what Python iterates over: their keys. Values may change.
fn keys_keep(map: &Map<String, Value>, entries: &[(Taken<'_>, Taken<'_>)]) -> bool {
    map.keys().zip(entries).all(|(_, (key, _))| matches!(key, Taken::Same | Taken::Member(..)))
}

fn later<'v>(ty: &Type, items: impl Iterator<Item = &'v Value>) -> Result<bool, String> {
    let mut all = true;
    for (index, item) in items.enumerate() {
        let found = fit(ty, item, &Path::Root.step(fault::Step::Index(index)))
            .map_err(|faults: Vec<Fault<'_>>| fault::report("ValidatorIterator", &faults))?;
        all &= keeps(item, &found.taken)?;
    }
    Ok(all)
}

fn kind(value: &Value, taken: &Taken<'_>) -> String {
    let name = match taken {
        Taken::Same => return python::type_of(value),
        Taken::Constant(constant) => return python::type_of(constant),
        Taken::Member(name, _) => return format!("<enum '{name}'>"),
        Taken::Bool(_) => "bool",
        Taken::Int(_) => "int",
        Taken::Float(_) => "float",
        Taken::Items(Shape::List, _) => "list",
        Taken::Items(Shape::Tuple, _) => "tuple",
        Taken::Items(Shape::Set, _) => "set",
        Taken::Items(Shape::FrozenSet, _) => "frozenset",
        Taken::Entries(_) => "dict",
        Taken::Later(_) => "pydantic_core._pydantic_core.ValidatorIterator",
    };
    format!("<class '{name}'>")
}

fn repr(value: &Value, taken: &Taken<'_>) -> String {
    match (taken, value) {
        (Taken::Same, _) => python::repr(value),
        (Taken::Bool(flag), _) => python::repr(&Value::Bool(*flag)),
        (Taken::Int(digits), _) => digits.clone(),
        (Taken::Float(float), _) => python::repr_float(*float),
        (Taken::Constant(constant), _) => python::repr(constant),
        (Taken::Member(name, member), _) => {
            format!("<{name}.{member}: {}>", python::repr_str(member))
        }
        (Taken::Items(shape, items), Value::Array(list)) => collection(*shape, list, items),
        (Taken::Entries(entries), Value::Object(map)) => dict(map, entries),
        (Taken::Items(..) | Taken::Entries(_), _) => python::repr(value),
        (Taken::Later(ty), _) => {
            // It has checked as many items as were compared.
            let count =
                value.as_array().map_or_else(|| value.as_object().map_or(0, Map::len), Vec::len);
            format!("ValidatorIterator(index={count}, schema={})", validator(ty))
        }
    }
}

/// How pydantic prints the validator of the items of an iterator.
fn validator(ty: &Type) -> String {
    match ty {
        Type::Int => "Some(Int(IntValidator { strict: false }))".to_owned(),
        Type::Bool => "Some(Bool(BoolValidator { strict: false }))".to_owned(),
        Type::Float => {
            "Some(Float(FloatValidator { strict: false, allow_inf_nan: true }))".to_owned()
        }
        Type::Str => {
            "Some(Str(StrValidator { strict: false, coerce_numbers_to_str: false }))".to_owned()
        }
        Type::Any => "None".to_owned(),
        other => format!("Some({})", other.label()),
    }
}

fn collection(shape: Shape, list: &[Value], items: &[Taken<'_>]) -> String {
    let mut shown: Vec<_> = list.iter().zip(items).map(|(v, taken)| repr(v, taken)).collect();
    if matches!(shape, Shape::Set | Shape::FrozenSet) {
        let mut seen = std::collections::HashSet::new();
        shown.retain(|item| seen.insert(item.clone()));
    }
    match shape {
        Shape::List => python::repr_list(shown.into_iter()),
        Shape::Tuple => tuple(&shown),
        Shape::Set => format!("{{{}}}", shown.join(", ")),
        Shape::FrozenSet => format!("frozenset({{{}}})", shown.join(", ")),
    }
}

fn tuple(shown: &[String]) -> String {
    match shown {
        [only] => format!("({only},)"),
        all => format!("({})", all.join(", ")),
    }
}

fn dict(map: &Map<String, Value>, entries: &[(Taken<'_>, Taken<'_>)]) -> String {
    let shown: Vec<_> = map
        .iter()
        .zip(entries)
        .map(|((key, value), (key_taken, taken))| {
            let key = repr(&Value::String(key.clone()), key_taken);
            format!("{key}: {}", repr(value, taken))
        })
        .collect();
    format!("{{{}}}", shown.join(", "))
}
