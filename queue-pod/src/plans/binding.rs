//! Binding of arguments to the parameters of a plan, as Python's `inspect.Signature.bind` does it, with its texts.

use serde_json::{Map, Value};

use super::description::{Kind, Parameter};
use super::model::taken::Given;
use crate::python;

/// What each parameter got, in the order of the parameters; those without a value are absent.
pub type Bound<'a> = Vec<(&'a Parameter, Given<'a>)>;

/// Gives the arguments to the parameters.
///
/// # Errors
/// The text of Python's `TypeError`.
pub fn bind<'a>(
    parameters: &'a [Parameter],
    args: &'a [Value],
    kwargs: &'a Map<String, Value>,
) -> Result<Bound<'a>, String> {
    let mut bound: Bound<'a> = Vec::with_capacity(parameters.len());
    let mut rest = parameters.iter().peekable();
    for (index, value) in args.iter().enumerate() {
        let too_many = || "too many positional arguments".to_owned();
        let parameter = rest.next().ok_or_else(too_many)?;
        match parameter.kind {
            Kind::KeywordOnly | Kind::VarKeyword => return Err(too_many()),
            Kind::VarPositional => {
                bound.push((parameter, Given::Rest(&args[index..])));
                break;
            }
            Kind::PositionalOrKeyword if kwargs.contains_key(&parameter.name) => {
                let name = python::repr_str(&parameter.name);
                return Err(format!("multiple values for argument {name}"));
            }
            Kind::PositionalOrKeyword | Kind::PositionalOnly => {
                bound.push((parameter, Given::One(value)));
            }
        }
    }
    let mut collects = None;
    let mut named = 0;
    for parameter in rest {
        let value = kwargs.get(&parameter.name);
        match (parameter.kind, value) {
            (Kind::VarKeyword, _) => collects = Some(parameter),
            (Kind::VarPositional, _) => {}
            (Kind::PositionalOnly, Some(_)) => {
                let name = python::repr_str(&parameter.name);
                return Err(format!(
                    "{name} parameter is positional only, but was passed as a keyword"
                ));
            }
            (_, Some(value)) => {
                named += 1;
                bound.push((parameter, Given::One(value)));
            }
            (_, None) if parameter.default.is_none() => {
                let name = python::repr_str(&parameter.name);
                return Err(format!("missing a required argument: {name}"));
            }
            (_, None) => {}
        }
    }
    if kwargs.len() == named {
        return Ok(bound);
    }
    let taken = |name: &str| {
        bound.iter().any(|(parameter, given)| {
            parameter.name == name
                && parameter.kind != Kind::PositionalOnly
                && matches!(given, Given::One(_))
        })
    };
    let others: Map<_, _> = kwargs
        .iter()
        .filter(|(name, _)| !taken(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    match (collects, others.keys().next()) {
        (Some(parameter), _) => bound.push((parameter, Given::Named(others))),
        (None, Some(name)) => {
            let name = python::repr_str(name);
            return Err(format!("got an unexpected keyword argument {name}"));
        }
        (None, None) => {}
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::description::Plan;
    use serde_json::json;

    fn outcome(kinds: &[(&str, u8, bool)], args: &Value, kwargs: &Value) -> Result<usize, String> {
        let list: Vec<_> = kinds
            .iter()
            .map(|(name, kind, default)| {
                let mut parameter = json!({"name": name, "kind": {"value": kind}});
                if *default {
                    parameter["default"] = json!("None");
                }
                parameter
            })
            .collect();
        let plan = Plan::read(&json!({ "parameters": list }));
        let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else {
            unreachable!("literals")
        };
        bind(plan.parameters().unwrap(), args, kwargs).map(|bound| bound.len())
    }

    #[test]
    fn variable_parameters_take_the_rest() {
        let scan = [("detectors", 1, false), ("args", 2, false), ("num", 3, true)];
        assert_eq!(outcome(&scan, &json!([[], "m", -1, 1, 5]), &json!({})), Ok(2));
        assert_eq!(outcome(&scan, &json!([[], "m"]), &json!({"num": 5})), Ok(3));
        assert!(outcome(&scan, &json!([]), &json!({"num": 5})).is_err());
        let any = [("kw", 4, false)];
        assert_eq!(outcome(&any, &json!([]), &json!({"zz": 5})), Ok(1));
        assert_eq!(
            outcome(&any, &json!([1]), &json!({})).unwrap_err(),
            "too many positional arguments"
        );
    }

    #[test]
    fn a_positional_only_parameter_is_not_found_by_keyword() {
        let only = [("x", 0, false)];
        assert_eq!(
            outcome(&only, &json!([]), &json!({"x": 1})).unwrap_err(),
            "'x' parameter is positional only, but was passed as a keyword"
        );
    }
}
