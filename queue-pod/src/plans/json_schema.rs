//! JSON Schemas of the arguments of plans, for forms and editors. Ours; the Python package has nothing like it.

use serde_json::{Map, Value, json};

use super::description::{Kind, Parameter, Plan};
use super::ranges::Limit;
use super::types::Type;

/// The dialect of the schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of the arguments of a plan: an object with each of them under the name of its parameter; `*args` is a list, and
/// `**kwargs` are further properties. `x-kind` says how a parameter takes its value, `x-step` how finely to choose it.
///
/// What fits the schema is accepted, but for what a schema cannot say: `1.0` is no integer for Python.
///
/// # Errors
/// What is wrong with the description of the plan.
pub fn schema(name: &str, description: &Value, plan: &Plan) -> Result<Value, String> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut others = Value::Bool(false);
    let described = description.get("parameters").and_then(Value::as_array);
    for (parameter, text) in plan.parameters()?.iter().zip(described.into_iter().flatten()) {
        let schema = property(parameter, text);
        match parameter.kind {
            Kind::VarKeyword => others = schema,
            _ => {
                if parameter.default.is_none() && parameter.kind != Kind::VarPositional {
                    required.push(parameter.name.clone());
                }
                properties.insert(parameter.name.clone(), schema);
            }
        }
    }
    let mut schema = json!({
        "$schema": DIALECT,
        "title": name,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": others,
    });
    if let Some(text) = description.get("description") {
        schema["description"] = text.clone();
    }
    Ok(schema)
}

fn property(parameter: &Parameter, text: &Value) -> Value {
    let mut limits = Map::new();
    for (key, limit) in [("minimum", &parameter.min), ("maximum", &parameter.max)] {
        if let Some(Ok(limit)) = limit {
            limits.insert(key.to_owned(), number(*limit));
        }
    }
    let one = of(&parameter.ty, &limits);
    let mut schema = match parameter.kind {
        Kind::VarPositional => json!({ "type": "array", "items": one }),
        _ => one,
    };
    let kind = match parameter.kind {
        Kind::PositionalOnly => "positional only",
        Kind::PositionalOrKeyword => "positional or keyword",
        Kind::VarPositional => "variable positional",
        Kind::KeywordOnly => "keyword only",
        Kind::VarKeyword => "variable keyword",
    };
    schema["x-kind"] = kind.into();
    if let Some(text) = text.get("description") {
        schema["description"] = text.clone();
    }
    if let Some(default) = &parameter.default {
        schema["default"] = default.clone();
    }
    if let Some(Ok(step)) = text.get("step").map(Limit::read) {
        schema["x-step"] = number(step);
    }
    schema
}

fn number(limit: Limit) -> Value {
    match limit {
        Limit::Int(int) => i64::try_from(int).map_or(Value::Null, Value::from),
        Limit::Float(float) => json!(float),
    }
}

/// The schema of a type; every number in it lies within the limits.
fn of(ty: &Type, limits: &Map<String, Value>) -> Value {
    let numeric = |name: &str| {
        let mut schema = limits.clone();
        schema.insert("type".to_owned(), name.into());
        Value::Object(schema)
    };
    let any = |types: &[Type]| types.iter().map(|ty| of(ty, limits)).collect::<Vec<_>>();
    match ty {
        // The limits say nothing about what is no number.
        Type::Any => Value::Object(limits.clone()),
        Type::None => json!({"type": "null"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Int => numeric("integer"),
        Type::Float => numeric("number"),
        Type::Str => json!({"type": "string"}),
        Type::Callable | Type::Foreign(_) => json!({"not": {}}),
        Type::Hashable => json!({"type": ["string", "number", "boolean", "null"]}),
        Type::List(inner) | Type::Set(inner) | Type::FrozenSet(inner) | Type::Tuples(inner) => {
            json!({"type": "array", "items": of(inner, limits)})
        }
        Type::Sequence(inner) | Type::Iterable(inner) => {
            json!({"type": "array", "items": of(inner, limits)})
        }
        Type::Tuple(types) => json!({
            "type": "array", "prefixItems": any(types), "items": false, "minItems": types.len(),
        }),
        Type::Dict(_, value) => {
            json!({"type": "object", "additionalProperties": of(value, limits)})
        }
        Type::Literal(values) => json!({ "enum": values }),
        Type::Enum(names) => json!({"type": "string", "enum": names.members}),
        Type::Optional(inner) => json!({"anyOf": [of(inner, limits), {"type": "null"}]}),
        Type::Union(types) => json!({ "anyOf": any(types) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_becomes_an_object_of_its_parameters() {
        let description = json!({"description": "Moves, then counts.", "parameters": [
            {"name": "motors", "kind": {"value": 1}, "description": "What to move.",
             "annotation": {"type": "typing.List[Motors]", "devices": {"Motors": ["m1", "m2"]}}},
            {"name": "positions", "kind": {"value": 1}, "default": "None", "min": "-10", "max": "10.5",
             "step": "0.1", "annotation": {"type": "typing.Optional[typing.List[float]]"}},
            {"name": "rest", "kind": {"value": 2}},
            {"name": "md", "kind": {"value": 4}, "annotation": {"type": "str"}},
        ]});
        let schema = schema("move", &description, &Plan::read(&description)).unwrap();
        assert_eq!(
            schema,
            json!({
                "$schema": DIALECT, "title": "move", "type": "object",
                "description": "Moves, then counts.",
                "properties": {
                    "motors": {
                        "type": "array", "items": {"type": "string", "enum": ["m1", "m2"]},
                        "x-kind": "positional or keyword", "description": "What to move.",
                    },
                    "positions": {
                        "anyOf": [
                            {"type": "array",
                             "items": {"type": "number", "minimum": -10, "maximum": 10.5}},
                            {"type": "null"},
                        ],
                        "x-kind": "positional or keyword", "default": null, "x-step": 0.1,
                    },
                    "rest": {"type": "array", "items": {}, "x-kind": "variable positional"},
                },
                "required": ["motors"],
                "additionalProperties": {"type": "string", "x-kind": "variable keyword"},
            })
        );
    }
}
