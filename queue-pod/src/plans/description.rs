//! A plan description (contract queue-server §6.4), read once when the plans of an environment become known.

use serde_json::{Map, Value, json};

use super::annotation;
use super::expression::Expression;
use super::ranges::Limit;
use super::types::Type;
use crate::python;

/// How a parameter takes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Kind {
    /// By its place only.
    PositionalOnly,
    /// By its place or its name.
    PositionalOrKeyword,
    /// `*args`
    VarPositional,
    /// By its name only.
    KeywordOnly,
    /// `**kwargs`
    VarKeyword,
}

impl Kind {
    /// How Python calls the kind in its errors.
    fn described(self) -> &'static str {
        match self {
            Self::PositionalOnly => "positional-only",
            Self::PositionalOrKeyword => "positional or keyword",
            Self::VarPositional => "variadic positional",
            Self::KeywordOnly => "keyword-only",
            Self::VarKeyword => "variadic keyword",
        }
    }
}

/// One parameter of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// How it takes its value.
    pub kind: Kind,
    /// What it is without a value; `None` if it needs one.
    pub default: Option<Value>,
    /// Whether that is what a decorator says: then a name in it is that of a device, and the worker
    /// passes the device.
    pub default_by_name: bool,
    /// What it accepts; of a variable parameter, for each value.
    pub ty: Type,
    /// The least number that it accepts, or why there is no telling.
    pub min: Option<Result<Limit, String>>,
    /// The greatest number that it accepts, or why there is no telling.
    pub max: Option<Result<Limit, String>>,
}

/// A plan, as far as calls of it can be checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    parameters: Result<Vec<Parameter>, String>,
}

impl Plan {
    /// Reads a description. One that cannot be read makes a plan that no call fits, and says why.
    pub fn read(description: &Value) -> Self {
        Self { parameters: read(description) }
    }

    /// The parameters.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn parameters(&self) -> Result<&[Parameter], String> {
        self.parameters.as_deref().map_err(Clone::clone)
    }
}

fn read(description: &Value) -> Result<Vec<Parameter>, String> {
    let list = description.get("parameters").ok_or("'parameters'")?;
    let objects = list.as_array().into_iter().flatten().filter_map(Value::as_object);
    let parameters = objects.map(parameter).collect::<Result<Vec<_>, _>>()?;
    check_order(&parameters)?;
    Ok(parameters)
}

fn parameter(description: &Map<String, Value>) -> Result<Parameter, String> {
    let shown = || python::repr_map(description);
    let name = description.get("name").and_then(Value::as_str);
    let name =
        name.ok_or_else(|| format!("No 'name' key in the parameter description {}", shown()))?;
    let ty = match description.get("annotation").and_then(Value::as_object) {
        Some(annotation) => annotation::read(annotation)?,
        None => Type::Any,
    };
    let default = description.get("default").map(default).transpose()?;
    let kind = description.get("kind").and_then(|kind| kind.get("value"));
    let kind = match kind.and_then(Value::as_u64) {
        Some(0) => Kind::PositionalOnly,
        Some(1) => Kind::PositionalOrKeyword,
        Some(2) => Kind::VarPositional,
        Some(3) => Kind::KeywordOnly,
        Some(4) => Kind::VarKeyword,
        Some(other) => {
            return Err(format!(
                "Failed to construct 'inspect.Parameters': value {other} is not a valid Parameter.kind"
            ));
        }
        None => {
            return Err(format!(
                "Failed to construct 'inspect.Parameters': \
                 Description for parameter contains no key 'kind': {}",
                shown()
            ));
        }
    };
    let is_none = description.get("annotation").and_then(|a| a.get("type")) == Some(&json!("None"));
    let ty = match kind {
        Kind::VarPositional | Kind::VarKeyword => ty,
        _ if is_none => none(default.as_ref()),
        _ => ty,
    };
    let limit = |key| description.get(key).filter(|v| !v.is_null()).map(Limit::read);
    let (min, max) = (limit("min"), limit("max"));
    let by_name = description.get("default_defined_in_decorator");
    let default_by_name = by_name.and_then(Value::as_bool).unwrap_or_default();
    Ok(Parameter { name: name.to_owned(), kind, default, default_by_name, ty, min, max })
}

/// The type of a parameter that is annotated with `None`: the package then takes its default for the type.
fn none(default: Option<&Value>) -> Type {
    match default {
        Some(Value::Null) => Type::None,
        Some(other) => Type::Foreign(python::repr(other)),
        None => Type::Foreign("Ellipsis".to_owned()),
    }
}

fn default(text: &Value) -> Result<Value, String> {
    let text = python::str(text);
    let value = Expression::parse(&text).map(|expression| expression.literal());
    match value {
        Ok(Some(value)) => Ok(value),
        Ok(None) => {
            Err(format!("Failed to decode the default value '{text}': malformed node or string"))
        }
        Err(why) => Err(format!("Failed to decode the default value '{text}': {why}")),
    }
}

/// What Python asks of a signature.
fn check_order(parameters: &[Parameter]) -> Result<(), String> {
    let mut highest = Kind::PositionalOnly;
    let mut has_default = false;
    for (index, parameter) in parameters.iter().enumerate() {
        if parameter.kind < highest {
            return Err(format!(
                "wrong parameter order: {} parameter before {} parameter",
                highest.described(),
                parameter.kind.described()
            ));
        }
        highest = parameter.kind;
        if parameter.kind <= Kind::PositionalOrKeyword {
            if parameter.default.is_none() && has_default {
                return Err("non-default argument follows default argument".to_owned());
            }
            has_default |= parameter.default.is_some();
        }
        if parameters[..index].iter().any(|other| other.name == parameter.name) {
            let name = python::repr_str(&parameter.name);
            return Err(format!("duplicate parameter name: {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_cannot_be_read_says_why() {
        let one = |mut parameter: Value| {
            parameter["name"] = json!("x");
            Plan::read(&json!({"parameters": [parameter]})).parameters().unwrap_err()
        };
        assert!(one(json!({})).contains("contains no key 'kind'"));
        assert!(one(json!({"kind": {"value": 1}, "default": "f()"})).contains("'f()'"));
        assert!(
            one(json!({"kind": {"value": 1}, "annotation": {"type": "Foo"}})).contains("'Foo'")
        );
        assert_eq!(Plan::read(&json!({})).parameters().unwrap_err(), "'parameters'");
        let late = json!({"parameters": [
            {"name": "a", "kind": {"value": 1}, "default": "1"},
            {"name": "b", "kind": {"value": 1}},
        ]});
        assert_eq!(
            Plan::read(&late).parameters().unwrap_err(),
            "non-default argument follows default argument"
        );
    }
}
