//! Lists, tuples, sets and dictionaries.

use serde_json::{Map, Value};

use super::fault::{Fault, Path, Step};
use super::taken::{Found, Precision, Shape, Taken};
use super::{Fit, Type, fit};

pub(super) fn list<'a>(inner: &'a Type, value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    match value {
        Value::Array(list) => items(inner, list, path),
        _ => Err(path.fault("list_type", "Input should be a valid list", value)),
    }
}

/// The items of a list, all of one type.
pub(super) fn items<'a>(inner: &'a Type, list: &'a [Value], path: &Path<'_, 'a>) -> Fit<'a> {
    match inner {
        Type::Any => Ok(Found { taken: Taken::Same, precision: Precision::Strict }),
        _ => collected(Shape::List, list.iter().map(|item| (inner, item)), path),
    }
}

fn collected<'a>(
    shape: Shape,
    typed: impl Iterator<Item = (&'a Type, &'a Value)>,
    path: &Path<'_, 'a>,
) -> Fit<'a> {
    let mut precision = Precision::Exact;
    let mut taken = Vec::with_capacity(typed.size_hint().0);
    let mut faults: Vec<Fault<'a>> = Vec::new();
    for (index, (ty, item)) in typed.enumerate() {
        match fit(ty, item, &path.step(Step::Index(index))) {
            Ok(found) => {
                precision = precision.min(found.precision);
                taken.push(found.taken);
            }
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let same = shape == Shape::List && taken.iter().all(|taken| *taken == Taken::Same);
    let taken = if same { Taken::Same } else { Taken::Items(shape, taken) };
    Ok(Found { taken, precision })
}

/// A list that becomes something else is not the nearest choice.
fn converted(fit: Fit<'_>) -> Fit<'_> {
    fit.map(|found| Found { precision: Precision::Lax, ..found })
}

pub(super) fn tuples<'a>(inner: &'a Type, value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    match value {
        Value::Array(list) => {
            converted(collected(Shape::Tuple, list.iter().map(|item| (inner, item)), path))
        }
        _ => Err(path.fault("tuple_type", "Input should be a valid tuple", value)),
    }
}

pub(super) fn tuple<'a>(types: &'a [Type], value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    let Value::Array(list) = value else {
        return Err(path.fault("tuple_type", "Input should be a valid tuple", value));
    };
    let mut fit = converted(collected(Shape::Tuple, types.iter().zip(list), path));
    for index in list.len()..types.len() {
        let missing = path.step(Step::Index(index)).fault("missing", "Field required", value);
        match &mut fit {
            Ok(_) => fit = Err(missing),
            Err(faults) => faults.extend(missing),
        }
    }
    if list.len() > types.len() {
        let most = types.len();
        let plural = if most == 1 { "" } else { "s" };
        let text = format!(
            "Tuple should have at most {most} item{plural} after validation, not {}",
            list.len()
        );
        return Err(path.fault("too_long", text, value));
    }
    fit
}

pub(super) fn set<'a>(
    inner: &'a Type,
    value: &'a Value,
    path: &Path<'_, 'a>,
    name: &str,
    kind: &'static str,
) -> Fit<'a> {
    let Value::Array(list) = value else {
        return Err(path.fault(kind, format!("Input should be a valid {name}"), value));
    };
    let shape = if name == "set" { Shape::Set } else { Shape::FrozenSet };
    let fit = converted(collected(shape, list.iter().map(|item| (inner, item)), path))?;
    for (index, item) in list.iter().enumerate() {
        if item.is_array() || item.is_object() {
            let path = path.step(Step::Index(index));
            return Err(path.fault("set_item_not_hashable", "Set items should be hashable", item));
        }
    }
    Ok(fit)
}

pub(super) fn sequence<'a>(inner: &'a Type, value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    match value {
        Value::Array(_) | Value::String(_) if *inner == Type::Any => Ok(Found::EXACT),
        Value::Array(list) => items(inner, list, path),
        Value::String(_) => {
            let text = "'str' instances are not allowed as a Sequence value";
            Err(path.fault("sequence_str", text, value))
        }
        _ => {
            let text = "Input should be an instance of Sequence";
            Err(path.fault("is_instance_of", text, value))
        }
    }
}

pub(super) fn iterable<'a>(inner: &'a Type, value: &'a Value, path: &Path<'_, 'a>) -> Fit<'a> {
    match value {
        Value::Array(_) | Value::Object(_) | Value::String(_) => {
            Ok(Found { taken: Taken::Later(inner), precision: Precision::Exact })
        }
        _ => Err(path.fault("iterable_type", "Input should be iterable", value)),
    }
}

/// The entries of a dictionary.
pub(super) fn dict<'a>(
    key_type: &'a Type,
    inner: &'a Type,
    map: &'a Map<String, Value>,
    path: &Path<'_, 'a>,
) -> Fit<'a> {
    let mut precision = Precision::Exact;
    let mut entries = Vec::with_capacity(map.len());
    let mut faults = Vec::new();
    for (key, value) in map {
        let here = path.step(Step::Name(key));
        let found = key_of(key_type, key, &here).map_err(|more| faults.extend(more));
        match fit(inner, value, &here) {
            Ok(value) => {
                if let Ok((key, near)) = found {
                    precision = precision.min(near).min(value.precision);
                    entries.push((key, value.taken));
                }
            }
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let same = |(key, value): &(Taken<'_>, Taken<'_>)| *key == Taken::Same && *value == Taken::Same;
    let taken = if entries.iter().all(same) { Taken::Same } else { Taken::Entries(entries) };
    Ok(Found { taken, precision })
}

/// What a key is taken for; it is no value of its own.
fn key_of<'a>(
    ty: &'a Type,
    key: &'a str,
    path: &Path<'_, 'a>,
) -> Result<(Taken<'a>, Precision), Vec<Fault<'a>>> {
    match ty {
        Type::Any => return Ok((Taken::Same, Precision::Strict)),
        Type::Str | Type::Hashable => return Ok((Taken::Same, Precision::Exact)),
        _ => {}
    }
    let value = Value::String(key.to_owned());
    match fit(ty, &value, &Path::Root) {
        Ok(Found { taken: Taken::Same, precision }) => Ok((Taken::Same, precision)),
        Ok(Found { taken: Taken::Int(digits), precision }) => Ok((Taken::Int(digits), precision)),
        Ok(Found { taken: Taken::Float(float), precision }) => Ok((Taken::Float(float), precision)),
        Ok(Found { taken: Taken::Bool(flag), precision }) => Ok((Taken::Bool(flag), precision)),
        // A member of an enumeration compares as the key itself.
        Ok(Found { precision, .. }) => Ok((Taken::Same, precision)),
        Err(faults) => {
            let path = path.step(Step::Key);
            Err(faults.iter().map(|fault| path.key_fault(fault, key)).collect())
        }
    }
}
