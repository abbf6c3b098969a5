//! Whether values fit types, by the rules of pydantic in its lax mode (contract queue-server §2.10).

mod collection;
pub mod fault;
mod scalar;
pub mod taken;

use serde_json::{Map, Value};

use self::fault::{Fault, Path, Step};
use self::taken::{Found, Precision, Taken};
use super::types::Type;
use crate::python;

/// What a value is taken for, or everything that is wrong with it.
pub type Fit<'a> = Result<Found<'a>, Vec<Fault<'a>>>;

/// Takes a value for a type.
///
/// # Errors
/// All the faults in the value, each with its place.
pub fn fit<'a>(ty: &'a Type, value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    match ty {
        Type::Any | Type::Foreign(_) => {
            Ok(Found { taken: Taken::Same, precision: Precision::Strict })
        }
        Type::None if value.is_null() => Ok(Found::EXACT),
        Type::None => Err(path.fault("none_required", "Input should be None", value)),
        Type::Bool => scalar::bool(value, path),
        Type::Int => scalar::int(value, path),
        Type::Float => scalar::float(value, path),
        Type::Str if value.is_string() => Ok(Found::EXACT),
        Type::Str => Err(path.fault("string_type", "Input should be a valid string", value)),
        Type::Callable => Err(path.fault("callable_type", "Input should be callable", value)),
        Type::Hashable if value.is_array() || value.is_object() => {
            Err(path.fault("is_hashable", "Input should be hashable", value))
        }
        Type::Hashable => Ok(Found::EXACT),
        Type::List(inner) => collection::list(inner, value, path),
        Type::Set(inner) => collection::set(inner, value, path, "set", "set_type"),
        Type::FrozenSet(inner) => {
            collection::set(inner, value, path, "frozenset", "frozen_set_type")
        }
        Type::Tuple(types) => collection::tuple(types, value, path),
        Type::Tuples(inner) => collection::tuples(inner, value, path),
        Type::Sequence(inner) => collection::sequence(inner, value, path),
        Type::Iterable(inner) => collection::iterable(inner, value, path),
        Type::Dict(key, inner) => match value {
            Value::Object(map) => collection::dict(key, inner, map, path),
            _ => Err(path.fault("dict_type", "Input should be a valid dictionary", value)),
        },
        Type::Literal(values) => literal(values, value, path),
        Type::Enum(names) => {
            if let Value::String(text) = value
                && let Some(member) = names.members.iter().find(|member| *member == text)
            {
                let taken = Taken::Member(&names.name, member);
                return Ok(Found { taken, precision: Precision::Lax });
            }
            if names.members.is_empty() {
                let text = format!("Input should be an instance of {}", names.name);
                return Err(path.fault("is_instance_of", text, value));
            }
            let allowed = alternatives(names.members.iter().map(|m| python::repr_str(m)).collect());
            Err(path.fault("enum", format!("Input should be {allowed}"), value))
        }
        Type::Optional(_) if value.is_null() => Ok(Found::EXACT),
        Type::Optional(inner) => fit(inner, value, path),
        Type::Union(types) => union(types, value, path),
    }
}

/// Takes the rest of the positional arguments for values of one type.
///
/// # Errors
/// As [`fit`].
pub fn items<'a>(ty: &'a Type, list: &'a [Value], path: &Path<'_, 'a>) -> Fit<'a> {
    collection::items(ty, list, path)
}

/// Takes the rest of the named arguments for values of one type.
///
/// # Errors
/// As [`fit`].
pub fn entries<'a>(ty: &'a Type, map: &'a Map<String, Value>, path: &Path<'_, 'a>) -> Fit<'a> {
    collection::dict(&Type::Str, ty, map, path)
}

/// The first type that takes the value as it is, else the first of those that come nearest.
fn union<'a>(types: &'a [Type], value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    let mut best: Option<Found<'a>> = None;
    let mut faults = Vec::new();
    for ty in types {
        match fit(ty, value, &path.step(Step::Choice(ty))) {
            Ok(found) if found.precision == Precision::Exact => return Ok(found),
            Ok(found) => {
                if best.as_ref().is_none_or(|best| best.precision < found.precision) {
                    best = Some(found);
                }
            }
            Err(more) => faults.extend(more),
        }
    }
    best.ok_or(faults)
}

fn literal<'a>(allowed: &'a [Value], value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    if allowed.contains(value) {
        return Ok(Found::EXACT);
    }
    // As keys of a dictionary, `1`, `1.0` and `True` are the same for Python; the last one counts.
    let equal = |other: &&Value| number(other).is_some() && number(other) == number(value);
    if let Some(other) = allowed.iter().rev().find(equal) {
        return Ok(Found { taken: Taken::Constant(other), precision: Precision::Exact });
    }
    let allowed = alternatives(allowed.iter().map(python::repr).collect());
    Err(path.fault("literal_error", format!("Input should be {allowed}"), value))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}

/// `a, b or c`.
fn alternatives(mut shown: Vec<String>) -> String {
    match shown.pop() {
        None => String::new(),
        Some(last) if shown.is_empty() => last,
        Some(last) => format!("{} or {last}", shown.join(", ")),
    }
}
