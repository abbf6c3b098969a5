//! What a plan is called with, as data: published to clients and used to bind the arguments of a call.
//!
//! The published form is bluesky-queueserver's plan description (contract queue-server §6.4).

use serde_json::{Map, Value, json};
use thiserror::Error;

/// How a parameter is passed, as Python's `inspect` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By position or by name.
    Positional,
    /// All further positions.
    VarPositional,
    /// By name only.
    Keyword,
    /// All further names.
    VarKeyword,
}

/// One parameter of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// How it is passed.
    pub kind: Kind,
    /// Python type, in bluesky-queueserver's notation; any value when absent.
    pub annotation: Option<&'static str>,
    /// Python literal that stands for a missing value; required when absent.
    pub default: Option<&'static str>,
    /// Whether strings in it are names of devices.
    pub names_devices: bool,
    /// For people.
    pub description: &'static str,
}

/// Everything that a client has to know to call a plan.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// Python module of the plan that this one stands for.
    pub module: &'static str,
    /// Whether the Python function is a generator function.
    pub is_generator: bool,
    /// For people.
    pub description: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter],
}

/// Why a call does not fit; the texts are Python's own.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindError {
    /// A parameter without a default got no value.
    #[error("missing a required argument: '{0}'")]
    Missing(&'static str),
    /// More positions than parameters.
    #[error("too many positional arguments")]
    TooMany,
    /// A parameter was given by position and by name.
    #[error("multiple values for argument '{0}'")]
    Twice(&'static str),
    /// No parameter of that name.
    #[error("got an unexpected keyword argument '{0}'")]
    Unexpected(String),
}

/// The arguments of a call, by parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    /// Values of the named parameters that were given.
    pub named: Map<String, Value>,
    /// The further positions.
    pub rest: Vec<Value>,
}

impl Signature {
    /// Binds the arguments of a call to the parameters.
    ///
    /// # Errors
    /// [`BindError`], in the order in which Python finds them.
    pub fn bind(&self, args: &[Value], kwargs: &Map<String, Value>) -> Result<Bound, BindError> {
        let mut bound = Bound::default();
        let mut given = args.iter();
        for parameter in self.parameters {
            match parameter.kind {
                Kind::Positional => match given.next() {
                    Some(value) => {
                        if kwargs.contains_key(parameter.name) {
                            return Err(BindError::Twice(parameter.name));
                        }
                        bound.named.insert(parameter.name.into(), value.clone());
                    }
                    None if kwargs.contains_key(parameter.name) || parameter.default.is_some() => {}
                    None => return Err(BindError::Missing(parameter.name)),
                },
                Kind::VarPositional => bound.rest = given.by_ref().cloned().collect(),
                Kind::Keyword | Kind::VarKeyword => {}
            }
        }
        if given.next().is_some() {
            return Err(BindError::TooMany);
        }
        for (name, value) in kwargs {
            let known = self.parameters.iter().any(|parameter| {
                parameter.name == name && matches!(parameter.kind, Kind::Positional | Kind::Keyword)
            });
            if !known {
                return Err(BindError::Unexpected(name.clone()));
            }
            bound.named.insert(name.clone(), value.clone());
        }
        Ok(bound)
    }

    /// The description that clients get.
    pub fn description(&self) -> Value {
        json!({
            "name": self.name,
            "module": self.module,
            "description": self.description,
            "properties": { "is_generator": self.is_generator },
            "parameters": self.parameters.iter().map(Parameter::published).collect::<Vec<_>>(),
        })
    }
}

impl Parameter {
    /// A required parameter, by position or name.
    pub const fn positional(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Positional,
            annotation: None,
            default: None,
            names_devices: false,
            description,
        }
    }

    /// All further positions.
    pub const fn rest(name: &'static str, description: &'static str) -> Self {
        Self { kind: Kind::VarPositional, ..Self::positional(name, description) }
    }

    /// A parameter by name only, `None` unless given.
    pub const fn keyword(name: &'static str, description: &'static str) -> Self {
        Self { kind: Kind::Keyword, default: Some("None"), ..Self::positional(name, description) }
    }

    /// All further names.
    pub const fn further(name: &'static str, description: &'static str) -> Self {
        Self { kind: Kind::VarKeyword, ..Self::positional(name, description) }
    }

    /// With that Python type.
    pub const fn of(self, annotation: &'static str) -> Self {
        Self { annotation: Some(annotation), ..self }
    }

    /// With that Python type, in which strings name devices.
    pub const fn of_devices(self, annotation: &'static str) -> Self {
        Self { annotation: Some(annotation), names_devices: true, ..self }
    }

    /// With that default.
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    fn published(&self) -> Value {
        let (kind, number) = match self.kind {
            Kind::Positional => ("POSITIONAL_OR_KEYWORD", 1),
            Kind::VarPositional => ("VAR_POSITIONAL", 2),
            Kind::Keyword => ("KEYWORD_ONLY", 3),
            Kind::VarKeyword => ("VAR_KEYWORD", 4),
        };
        let mut published = Map::new();
        published.insert("name".into(), json!(self.name));
        published.insert("kind".into(), json!({ "name": kind, "value": number }));
        if !self.description.is_empty() {
            published.insert("description".into(), json!(self.description));
        }
        if let Some(annotation) = self.annotation {
            published.insert("annotation".into(), json!({ "type": annotation }));
        }
        if self.names_devices {
            published.insert("convert_device_names".into(), json!(true));
        }
        if let Some(default) = self.default {
            published.insert("default".into(), json!(default));
        }
        Value::Object(published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Signature = Signature {
        name: "measure",
        module: "lab",
        is_generator: true,
        description: "Measures.",
        parameters: &[
            Parameter::positional("detectors", "what measures"),
            Parameter::positional("num", "how often").or("1"),
            Parameter::keyword("md", "metadata"),
        ],
    };

    fn bind(args: Value, kwargs: Value) -> Result<Bound, BindError> {
        let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else { unreachable!() };
        PLAN.bind(&args, &kwargs)
    }

    #[test]
    fn positions_and_names_meet_their_parameters() {
        let bound = bind(json!([["det"]]), json!({"md": {"a": 1}, "num": 3})).unwrap();
        assert_eq!(
            Value::Object(bound.named),
            json!({"detectors": ["det"], "md": {"a": 1}, "num": 3})
        );
        assert!(bound.rest.is_empty());
    }

    #[test]
    fn a_call_that_does_not_fit_is_told_in_pythons_words() {
        let text = |args, kwargs| bind(args, kwargs).unwrap_err().to_string();
        assert_eq!(text(json!([]), json!({})), "missing a required argument: 'detectors'");
        assert_eq!(text(json!([1, 2, 3]), json!({})), "too many positional arguments");
        assert_eq!(text(json!([1, 2]), json!({"num": 1})), "multiple values for argument 'num'");
        assert_eq!(text(json!([1]), json!({"zz": 1})), "got an unexpected keyword argument 'zz'");
    }
}
