//! Whether the arguments of a call fit a plan, step by step as the Python package checks them (contract queue-server §2.10).

use serde_json::{Map, Value};

use super::binding::{self, Bound};
use super::description::Plan;
use super::model::fault::{Path, Step, report};
use super::model::taken::{Found, Given};
use super::model::{self, Fit};
use super::ranges;
use super::types::Type;

/// What pydantic says about a type that it has no rules for.
const NO_SCHEMA: &str = "Set `arbitrary_types_allowed=True` in the model_config to ignore this error \
    or implement `__get_pydantic_core_schema__` on your type to fully support it.\n\n\
    If you got this error by calling handler(<some type>) within `__get_pydantic_core_schema__` \
    then you likely need to call `handler.generate_schema(<some type>)` since we do not call \
    `__get_pydantic_core_schema__` on `<some type>` otherwise to avoid infinite recursion.\n\n\
    For further information visit https://errors.pydantic.dev/2.14/u/schema-for-unknown-type";

/// Checks a call: the signature, the types, that no value had to be converted, the limits.
///
/// # Errors
/// What the first of these steps has to say.
pub fn check(plan: &Plan, args: &[Value], kwargs: &Map<String, Value>) -> Result<(), String> {
    let parameters = plan.parameters()?;
    let bound = binding::bind(parameters, args, kwargs)?;
    if let Some(name) = parameters.iter().find_map(|parameter| parameter.ty.foreign()) {
        return Err(format!("Unable to generate pydantic-core schema for {name}. {NO_SCHEMA}"));
    }
    check_types(&bound)?;
    check_limits(&bound)
}

fn check_types(bound: &Bound<'_>) -> Result<(), String> {
    let mut found = Vec::with_capacity(bound.len());
    let mut faults = Vec::new();
    for (parameter, given) in bound {
        // What begins with an underscore is private to the model, and not looked at.
        if parameter.name.starts_with('_') {
            continue;
        }
        let root = Path::Root;
        match fit(&parameter.ty, given, &root.step(Step::Name(&parameter.name))) {
            Ok(one) => found.push((&parameter.name, given, one.taken)),
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(report("Model", &faults));
    }
    let mut lines = Vec::new();
    for (name, given, taken) in &found {
        if !given.keeps(taken)? {
            let (text, kind) = given.interpreted(taken);
            lines.push(format!(
                "Incorrect parameter type: key='{name}', value='{}' ({}), \
                 interpreted as '{text}' ({kind})",
                given.shown(),
                given.kind()
            ));
        }
    }
    match lines.is_empty() {
        true => Ok(()),
        false => Err(format!("Error in argument types: {}", lines.join("\n"))),
    }
}

fn fit<'a>(ty: &'a Type, given: &'a Given<'_>, path: &Path<'_, 'a>) -> Fit<'a> {
    match given {
        Given::One(value) => model::fit(ty, value, path),
        Given::Rest(list) => model::items(ty, list, path),
        Given::Named(_) if *ty == Type::Any => Ok(Found::EXACT),
        Given::Named(map) => model::entries(ty, map, path),
    }
}

fn check_limits(bound: &Bound<'_>) -> Result<(), String> {
    let mut lines = Vec::new();
    for (parameter, given) in bound {
        if parameter.min.is_none() && parameter.max.is_none() {
            continue;
        }
        let min = parameter.min.clone().transpose()?;
        let max = parameter.max.clone().transpose()?;
        if let Err(why) = ranges::check(given, min, max) {
            let (name, value) = (&parameter.name, given.shown());
            lines.push(format!(
                "Parameter value is out of range: key='{name}', value='{value}': {why}"
            ));
        }
    }
    match lines.is_empty() {
        true => Ok(()),
        false => Err(format!("Argument values are out of range: {}", lines.join("\n"))),
    }
}
