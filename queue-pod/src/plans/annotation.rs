//! From the annotation of a parameter to its type, as the Python package evaluates it (contract queue-server §2.10).

use serde_json::{Map, Value};

use super::expression::Expression;
use super::types::{Enumeration, Type};
use crate::python;

/// Types whose values are names: of objects, or of functions. What they name is found by the worker.
const NAMES: [&str; 7] = [
    "__PLAN__",
    "__DEVICE__",
    "__PLAN_OR_DEVICE__",
    "__READABLE__",
    "__MOVABLE__",
    "__FLYABLE__",
    "__CALLABLE__",
];

/// Sections of an annotation that define types, in the order in which the package looks at them.
const SECTIONS: [&str; 3] = ["devices", "plans", "enums"];

/// Names that pydantic has no rules for: a plan with such a parameter takes no arguments at all.
const FOREIGN: [&str; 6] =
    ["Collection", "Container", "Iterator", "AsyncIterator", "Awaitable", "Coroutine"];

/// The type of a parameter.
///
/// # Errors
/// `Failed to process annotation '…': …'`, as the package says it.
pub fn read(annotation: &Map<String, Value>) -> Result<Type, String> {
    let mut shown = "<not-specified>".to_owned();
    evaluate(annotation, &mut shown)
        .map_err(|why| format!("Failed to process annotation '{shown}': {why}'"))
}

fn evaluate(annotation: &Map<String, Value>, shown: &mut String) -> Result<Type, String> {
    let Some(text) = annotation.get("type") else {
        return Err("Type is not specififed".to_owned());
    };
    let known = |key: &&String| *key == "type" || SECTIONS.contains(&key.as_str());
    let strange: Vec<_> = annotation.keys().filter(|key| !known(key)).map(String::as_str).collect();
    if !strange.is_empty() {
        return Err(format!(
            "Annotation contains unsupported keys: {}. Supported keys: ('type', 'devices', 'plans', 'enums')",
            python::repr_strs(strange)
        ));
    }
    let mut text = python::str(text);
    let mut items: Map<String, Value> = Map::new();
    for section in SECTIONS {
        items.extend(
            annotation.get(section).and_then(Value::as_object).cloned().unwrap_or_default(),
        );
    }
    for name in NAMES {
        if !items.contains_key(name) {
            text = text.replace(name, "str");
        }
    }
    shown.clone_from(&text);
    let mut enums = Vec::with_capacity(items.len());
    for (name, list) in &items {
        let Value::Array(list) = list else {
            let (name, list) = (python::repr_str(name), python::repr(list));
            return Err(format!("The list of items ({name}: {list}) must be a list of a tuple."));
        };
        if !text.contains(name.as_str()) {
            let name = python::repr_str(name);
            return Err(format!(
                "Type {name} is defined in the annotation, but not used in the parameter type"
            ));
        }
        let mut members: Vec<String> = Vec::with_capacity(list.len());
        for member in list.iter().map(python::str) {
            if !members.contains(&member) {
                members.push(member);
            }
        }
        enums.push(Enumeration { name: name.clone(), members });
    }
    meaning(&Expression::parse(&text)?, &enums)
}

fn meaning(expression: &Expression, enums: &[Enumeration]) -> Result<Type, String> {
    match expression {
        Expression::Name(name) => match enums.iter().find(|names| names.name == *name) {
            Some(names) => Ok(Type::Enum(names.clone())),
            None => named(name, None, enums),
        },
        Expression::Constant(Value::Null) => Ok(Type::None),
        Expression::Either(left, right) => {
            Ok(Type::union([meaning(left, enums)?, meaning(right, enums)?]))
        }
        Expression::Index(base, parameters) => match &**base {
            Expression::Name(name) => named(name, Some(parameters), enums),
            _ => Err("not a generic type".to_owned()),
        },
        _ => Err("not a type".to_owned()),
    }
}

/// A type of the language or of its library; without parameters, or with those in brackets.
fn named(name: &str, given: Option<&[Expression]>, enums: &[Enumeration]) -> Result<Type, String> {
    let parameters = given.unwrap_or_default();
    let of = |index: usize| match parameters.get(index) {
        Some(parameter) => meaning(parameter, enums),
        None => Ok(Type::Any),
    };
    let all = || -> Result<Vec<Type>, String> {
        parameters.iter().map(|parameter| meaning(parameter, enums)).collect()
    };
    let first = || of(0).map(Box::new);
    let (module, bare) = name.rsplit_once('.').unwrap_or(("", name));
    if FOREIGN.contains(&bare) && !module.is_empty() {
        return Ok(Type::Foreign(name.to_owned()));
    }
    Ok(match (module, bare) {
        ("", "int") => Type::Int,
        ("", "float") => Type::Float,
        ("", "bool") => Type::Bool,
        ("", "str") | ("typing", "Text") => Type::Str,
        ("", "NoneType") => Type::None,
        ("", "object") | ("typing", "Any") => Type::Any,
        ("", "list") | ("typing", "List" | "MutableSequence") => Type::List(first()?),
        ("", "set") | ("typing", "Set" | "MutableSet" | "AbstractSet") => Type::Set(first()?),
        ("", "frozenset") | ("typing", "FrozenSet") => Type::FrozenSet(first()?),
        ("", "dict") | ("typing", "Dict" | "Mapping" | "MutableMapping") => {
            Type::Dict(first()?, Box::new(of(1)?))
        }
        ("", "tuple") | ("typing", "Tuple") => match (given, parameters) {
            (None, _) => Type::Tuples(Box::new(Type::Any)),
            (_, [_, Expression::Ellipsis]) => Type::Tuples(first()?),
            _ => Type::Tuple(all()?),
        },
        ("typing", "Optional") => Type::union([of(0)?, Type::None]),
        ("typing", "Union") => Type::union(all()?),
        ("typing", "Literal") => {
            let values = parameters.iter().map(Expression::literal).collect::<Option<Vec<_>>>();
            Type::Literal(values.ok_or("not a literal")?)
        }
        ("typing", "Annotated") => of(0)?,
        ("typing" | "collections.abc", other) => match other {
            "Sequence" => Type::Sequence(first()?),
            "MutableSequence" => Type::List(first()?),
            "Iterable" | "Generator" => Type::Iterable(first()?),
            "Mapping" | "MutableMapping" => Type::Dict(first()?, Box::new(of(1)?)),
            "Set" | "MutableSet" => Type::Set(first()?),
            "Callable" => Type::Callable,
            "Hashable" => Type::Hashable,
            // Types whose values cannot be written in JSON are left to the worker.
            "Type" | "Deque" | "ByteString" | "SupportsFloat" | "SupportsInt" => Type::Any,
            "DefaultDict" | "OrderedDict" => Type::Dict(first()?, Box::new(of(1)?)),
            other => return Err(format!("module '{module}' has no attribute '{other}'")),
        },
        ("", "bytes" | "complex" | "type") => Type::Any,
        ("", name) => return Err(format!("name '{name}' is not defined")),
        (module, _) => match module.split('.').next() {
            Some("bluesky" | "collections" | "enum") => Type::Any,
            root => return Err(format!("name '{}' is not defined", root.unwrap_or_default())),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(annotation: &Value) -> Result<Type, String> {
        read(annotation.as_object().unwrap())
    }

    #[test]
    fn annotations_become_types() {
        for (text, label) in [
            ("int", "int"),
            ("typing.List[float]", "list[float]"),
            ("dict[str, typing.Any] | None", "nullable[dict[str,any]]"),
            ("typing.Union[__MOVABLE__, typing.Any]", "union[str,any]"),
            ("tuple", "tuple[any, ...]"),
            ("tuple[()]", "tuple[]"),
            ("tuple[int, ...]", "tuple[int, ...]"),
            ("typing.Literal['a', 1, None]", "literal['a',1,None]"),
            ("collections.abc.Callable[[int], str]", "callable"),
            ("typing.Optional[typing.Optional[int]]", "nullable[int]"),
        ] {
            assert_eq!(of(&json!({ "type": text })).unwrap().label(), label, "{text}");
        }
        let names = of(&json!({"type": "typing.List[Dets]", "devices": {"Dets": ["a", "b", "a"]}}));
        let members = vec!["a".to_owned(), "b".to_owned()];
        let names_type = Type::Enum(Enumeration { name: "Dets".to_owned(), members });
        assert_eq!(names, Ok(Type::List(Box::new(names_type))));
    }

    #[test]
    fn what_is_no_annotation_is_refused_in_the_words_of_the_package() {
        for (annotation, why) in [
            (json!({"type": "Foo"}), "'Foo': name 'Foo' is not defined'"),
            (
                json!({"type": "typing.Foo"}),
                "'typing.Foo': module 'typing' has no attribute 'Foo''",
            ),
            (json!({"devices": {}}), "'<not-specified>': Type is not specififed'"),
            (
                json!({"type": "int", "devices": {"A": ["a"]}}),
                "'int': Type 'A' is defined in the annotation, but not used in the parameter type'",
            ),
            (
                json!({"type": "A", "devices": {"A": "a"}}),
                "'A': The list of items ('A': 'a') must be a list of a tuple.'",
            ),
        ] {
            let error = of(&annotation).unwrap_err();
            assert_eq!(error, format!("Failed to process annotation {why}"));
        }
    }
}
