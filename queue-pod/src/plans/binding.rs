//! Binding of arguments to the parameters of a plan, as Python's `inspect.Signature.bind` does it, with its texts.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::python;

/// How a parameter takes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PositionalOnly,
    PositionalOrKeyword,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

/// One parameter of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    name: &'a str,
    kind: Kind,
    has_default: bool,
}

/// The parameters in a plan description (contract queue-server §6.4).
pub fn parameters(description: &Value) -> Vec<Parameter<'_>> {
    let list = description.get("parameters").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(parameter).collect()
}

fn parameter(description: &Value) -> Option<Parameter<'_>> {
    let kind = match description.pointer("/kind/name")?.as_str()? {
        "POSITIONAL_ONLY" => Kind::PositionalOnly,
        "VAR_POSITIONAL" => Kind::VarPositional,
        "KEYWORD_ONLY" => Kind::KeywordOnly,
        "VAR_KEYWORD" => Kind::VarKeyword,
        _ => Kind::PositionalOrKeyword,
    };
    let name = description.get("name")?.as_str()?;
    Some(Parameter { name, kind, has_default: description.get("default").is_some() })
}

/// Whether the arguments fit the parameters.
///
/// # Errors
/// The text of Python's `TypeError`.
pub fn bind(
    parameters: &[Parameter<'_>],
    args: &[Value],
    kwargs: &Map<String, Value>,
) -> Result<(), String> {
    let bound = bind_positional(parameters, args.len(), kwargs)?;
    let takes_any = parameters.iter().any(|p| p.kind == Kind::VarKeyword);
    for parameter in parameters {
        let by_keyword = matches!(parameter.kind, Kind::PositionalOrKeyword | Kind::KeywordOnly);
        let given = by_keyword && kwargs.contains_key(parameter.name);
        let needed = by_keyword || parameter.kind == Kind::PositionalOnly;
        if needed && !given && !bound.contains(parameter.name) && !parameter.has_default {
            let keyword = if parameter.kind == Kind::KeywordOnly { "keyword-only " } else { "" };
            let name = python::repr_str(parameter.name);
            return Err(match keyword {
                "" => format!("missing a required argument: {name}"),
                _ => format!("missing a required {keyword}argument: {name}"),
            });
        }
    }
    let known = |name: &str| {
        let by_keyword =
            |p: &&Parameter<'_>| matches!(p.kind, Kind::PositionalOrKeyword | Kind::KeywordOnly);
        parameters.iter().filter(by_keyword).any(|p| p.name == name)
    };
    match kwargs.keys().find(|name| !takes_any && !known(name)) {
        Some(name) => Err(format!("got an unexpected keyword argument {}", python::repr_str(name))),
        None => Ok(()),
    }
}

/// Names of the parameters that positional arguments fill.
fn bind_positional<'a>(
    parameters: &[Parameter<'a>],
    count: usize,
    kwargs: &Map<String, Value>,
) -> Result<HashSet<&'a str>, String> {
    let mut bound = HashSet::new();
    let mut left = count;
    for parameter in parameters {
        if left == 0 {
            break;
        }
        match parameter.kind {
            Kind::VarPositional => left = 0,
            Kind::PositionalOnly | Kind::PositionalOrKeyword => {
                let by_keyword = parameter.kind == Kind::PositionalOrKeyword;
                if by_keyword && kwargs.contains_key(parameter.name) {
                    let name = python::repr_str(parameter.name);
                    return Err(format!("multiple values for argument {name}"));
                }
                bound.insert(parameter.name);
                left -= 1;
            }
            Kind::KeywordOnly | Kind::VarKeyword => break,
        }
    }
    if left > 0 { Err("too many positional arguments".to_owned()) } else { Ok(bound) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(kinds: &[(&str, &str, bool)], args: &Value, kwargs: &Value) -> Result<(), String> {
        let list: Vec<_> = kinds
            .iter()
            .map(|(name, kind, default)| {
                let mut parameter = json!({"name": name, "kind": {"name": kind}});
                if *default {
                    parameter["default"] = json!("None");
                }
                parameter
            })
            .collect();
        let description = json!({ "parameters": list });
        let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else {
            unreachable!("literals")
        };
        bind(&parameters(&description), args, kwargs)
    }

    #[test]
    fn variable_parameters_take_the_rest() {
        let scan = [
            ("detectors", "POSITIONAL_OR_KEYWORD", false),
            ("args", "VAR_POSITIONAL", false),
            ("num", "KEYWORD_ONLY", true),
        ];
        assert_eq!(outcome(&scan, &json!([[], "m", -1, 1, 5]), &json!({})), Ok(()));
        assert_eq!(outcome(&scan, &json!([[], "m"]), &json!({"num": 5})), Ok(()));
        assert!(outcome(&scan, &json!([]), &json!({"num": 5})).is_err());
        let any = [("kw", "VAR_KEYWORD", false)];
        assert_eq!(outcome(&any, &json!([]), &json!({"zz": 5})), Ok(()));
        assert_eq!(
            outcome(&any, &json!([1]), &json!({})).unwrap_err(),
            "too many positional arguments"
        );
    }

    #[test]
    fn a_positional_only_parameter_is_not_found_by_keyword() {
        let only = [("x", "POSITIONAL_ONLY", false)];
        assert_eq!(
            outcome(&only, &json!([]), &json!({"x": 1})).unwrap_err(),
            "missing a required argument: 'x'"
        );
    }
}
