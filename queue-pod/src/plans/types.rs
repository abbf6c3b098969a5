//! The types that plan parameters are annotated with.

use serde_json::Value;

use crate::python;

/// A type, as the validation of the Python package understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Everything fits.
    Any,
    /// `None`.
    None,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `str`.
    Str,
    /// A function; nothing in JSON is one.
    Callable,
    /// What can be a key of a dictionary: no list and no dictionary.
    Hashable,
    /// `list[T]`.
    List(Box<Self>),
    /// `set[T]`.
    Set(Box<Self>),
    /// `frozenset[T]`.
    FrozenSet(Box<Self>),
    /// `tuple[A, B]`.
    Tuple(Vec<Self>),
    /// `tuple[T, ...]`.
    Tuples(Box<Self>),
    /// `Sequence[T]`: a list, but no text.
    Sequence(Box<Self>),
    /// `Iterable[T]`: looked into late.
    Iterable(Box<Self>),
    /// `dict[K, V]`.
    Dict(Box<Self>, Box<Self>),
    /// `Literal[…]`.
    Literal(Vec<Value>),
    /// One of the names of devices, plans or an enum.
    Enum(Enumeration),
    /// `Optional[T]`.
    Optional(Box<Self>),
    /// The first that fits best.
    Union(Vec<Self>),
    /// A type that pydantic has no rules for: no call of the plan is accepted.
    Foreign(String),
}

/// Names that a parameter may have as its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumeration {
    /// The name of the type.
    pub name: String,
    /// The values, each once.
    pub members: Vec<String>,
}

impl Type {
    /// The union of these types: flat, each type once, `None` apart.
    pub fn union(types: impl IntoIterator<Item = Self>) -> Self {
        let mut nullable = false;
        let mut choices: Vec<Self> = Vec::new();
        let mut add = |choice: Self| {
            if choice == Self::None {
                nullable = true;
            } else if !choices.contains(&choice) {
                choices.push(choice);
            }
        };
        for part in types {
            match part {
                Self::Union(parts) => parts.into_iter().for_each(&mut add),
                Self::Optional(inner) => {
                    match *inner {
                        Self::Union(parts) => parts.into_iter().for_each(&mut add),
                        single => add(single),
                    }
                    add(Self::None);
                }
                single => add(single),
            }
        }
        let inner = match choices.len() {
            0 => return Self::None,
            1 => choices.remove(0),
            _ => Self::Union(choices),
        };
        if nullable { Self::Optional(Box::new(inner)) } else { inner }
    }

    /// The first type in this one that pydantic has no rules for.
    pub fn foreign(&self) -> Option<&str> {
        match self {
            Self::Foreign(name) => Some(name),
            Self::List(inner)
            | Self::Set(inner)
            | Self::FrozenSet(inner)
            | Self::Tuples(inner)
            | Self::Sequence(inner)
            | Self::Iterable(inner)
            | Self::Optional(inner) => inner.foreign(),
            Self::Dict(key, value) => key.foreign().or_else(|| value.foreign()),
            Self::Tuple(types) | Self::Union(types) => types.iter().find_map(Self::foreign),
            Self::Any
            | Self::None
            | Self::Bool
            | Self::Int
            | Self::Float
            | Self::Str
            | Self::Callable
            | Self::Hashable
            | Self::Literal(_)
            | Self::Enum(_) => None,
        }
    }

    /// How pydantic calls the type where it says which part of a union did not fit.
    pub fn label(&self) -> String {
        let of = |name: &str, inner: &Self| format!("{name}[{}]", inner.label());
        let list = |types: &[Self], separator: &str| {
            types.iter().map(Self::label).collect::<Vec<_>>().join(separator)
        };
        match self {
            Self::Any => "any".to_owned(),
            Self::None => "none".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Str => "str".to_owned(),
            Self::Callable => "callable".to_owned(),
            Self::Hashable => "custom-error[json-or-python[json=chain[any,is-instance[Hashable]],\
                               python=is-instance[Hashable]]]"
                .to_owned(),
            Self::List(inner) => of("list", inner),
            Self::Set(inner) => of("set", inner),
            Self::FrozenSet(inner) => of("frozenset", inner),
            Self::Tuple(types) => format!("tuple[{}]", list(types, ", ")),
            Self::Tuples(inner) => format!("tuple[{}, ...]", inner.label()),
            Self::Sequence(inner) => {
                let python = match **inner {
                    Self::Any => "is-instance[Sequence]",
                    _ => "chain[is-instance[Sequence],function-wrap[sequence_validator()]]",
                };
                format!("json-or-python[json=list[{}],python={python}]", inner.label())
            }
            Self::Iterable(inner) => of("generator", inner),
            Self::Dict(key, value) => format!("dict[{},{}]", key.label(), value.label()),
            Self::Literal(values) => {
                let values: Vec<_> = values.iter().map(python::repr).collect();
                format!("literal[{}]", values.join(","))
            }
            Self::Enum(names) if names.members.is_empty() => format!("is-instance[{}]", names.name),
            Self::Enum(names) => format!("enum[{}]", names.name),
            Self::Optional(inner) => of("nullable", inner),
            Self::Union(types) => format!("union[{}]", list(types, ",")),
            Self::Foreign(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_are_flat_and_none_is_apart() {
        let inner = Type::union([Type::Float, Type::None]);
        assert_eq!(inner, Type::Optional(Box::new(Type::Float)));
        let outer = Type::union([Type::Int, inner, Type::Int]);
        assert_eq!(outer, Type::Optional(Box::new(Type::Union(vec![Type::Int, Type::Float]))));
        assert_eq!(outer.label(), "nullable[union[int,float]]");
    }
}
