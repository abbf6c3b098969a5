//! Plan descriptions for clients whose forms know numbers, texts, choices and lists of them (contract queue-server §4.3).

use serde_json::{Map, Value, json};

use super::expression::Expression;
use super::ranges::Limit;
use crate::python;

/// The lists of an annotation whose values a parameter chooses from, in the order in which they are offered.
const CHOICES: [&str; 3] = ["devices", "plans", "enums"];
/// The types that are told, by the word that stands in an annotation; the first one counts.
const TYPES: [&str; 3] = ["float", "int", "str"];
/// What a list may be called.
const LISTS: [&str; 2] = ["typing.list[", "list["];

/// The reduced descriptions of plans, by their names.
pub fn reduced(plans: &Map<String, Value>) -> Map<String, Value> {
    plans.iter().map(|(name, plan)| (name.clone(), reduced_plan(plan))).collect()
}

fn reduced_plan(plan: &Value) -> Value {
    let mut reduced = Map::new();
    copy(plan, &mut reduced, &["name", "description"]);
    let parameters: Vec<_> =
        plan["parameters"].as_array().into_iter().flatten().map(reduced_parameter).collect();
    if !parameters.is_empty() {
        reduced.insert("parameters".to_owned(), Value::Array(parameters));
    }
    Value::Object(reduced)
}

fn reduced_parameter(parameter: &Value) -> Value {
    let mut reduced = Map::new();
    copy(parameter, &mut reduced, &["name", "kind", "description"]);
    if let Some(annotation) = parameter.get("annotation").and_then(Value::as_object) {
        describe_type(annotation, &mut reduced);
    }
    let default = parameter.get("default").and_then(|text| literal(&python::str(text)));
    let is_optional = default.is_some();
    reduced.extend(default.map(|default| ("default".to_owned(), default)));
    reduced.insert("is_optional".to_owned(), json!(is_optional));
    for key in ["min", "max", "step"] {
        let number = parameter.get(key).and_then(|text| Limit::read(text).ok());
        reduced.extend(number.map(|number| (key.to_owned(), number.to_json())));
    }
    Value::Object(reduced)
}

fn describe_type(annotation: &Map<String, Value>, reduced: &mut Map<String, Value>) {
    let choices: Vec<_> = CHOICES.iter().filter_map(|key| annotation.get(*key)).collect();
    let choices: Vec<_> = choices
        .iter()
        .filter_map(|lists| lists.as_object())
        .flat_map(Map::values)
        .flat_map(|list| list.as_array().map_or_else(|| vec![list.clone()], Clone::clone))
        .collect();
    let text = annotation.get("type").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect::<Vec<_>>();
    words.sort_unstable();
    if !choices.is_empty() {
        reduced.insert("type".to_owned(), json!("str"));
        reduced.insert("enum".to_owned(), Value::Array(choices));
    } else if let Some(known) = TYPES.iter().find(|known| words.binary_search(known).is_ok()) {
        reduced.insert("type".to_owned(), json!(known));
    }
    if !text.is_empty() {
        let inner = LISTS.iter().find_map(|list| text.strip_prefix(list)?.strip_suffix(']'));
        reduced.insert("is_list".to_owned(), json!(inner.is_some_and(|inner| !inner.is_empty())));
    }
}

fn literal(text: &str) -> Option<Value> {
    Expression::parse(text).ok()?.literal()
}

fn copy(from: &Value, to: &mut Map<String, Value>, keys: &[&str]) {
    for key in keys {
        to.extend(from.get(key).map(|value| ((*key).to_owned(), value.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(mut description: Value) -> Value {
        description["name"] = json!("x");
        description["kind"] = json!({"name": "KEYWORD_ONLY", "value": 3});
        let plan = json!({"name": "p", "module": "m", "parameters": [description]});
        let all = reduced(&Map::from_iter([("p".to_owned(), plan)]));
        let mut reduced = all["p"]["parameters"][0].clone();
        for key in ["name", "kind"] {
            reduced.as_object_mut().unwrap().remove(key).unwrap();
        }
        reduced
    }

    fn typed(annotation: &str) -> Value {
        parameter(json!({"annotation": {"type": annotation}}))
    }

    #[test]
    fn a_plan_keeps_its_name_and_description_only() {
        let plan = json!({"name": "p", "description": "d", "module": "m", "properties": {}, "parameters": []});
        let all = reduced(&Map::from_iter([("p".to_owned(), plan)]));
        assert_eq!(all["p"], json!({"name": "p", "description": "d"}));
    }

    #[test]
    fn types_are_told_by_the_first_word_that_is_known() {
        for (annotation, told) in [
            ("int", json!({"type": "int", "is_list": false, "is_optional": false})),
            (
                "typing.Union[int, float]",
                json!({"type": "float", "is_list": false, "is_optional": false}),
            ),
            ("typing.List[str]", json!({"type": "str", "is_list": true, "is_optional": false})),
            ("list[my_int]", json!({"is_list": true, "is_optional": false})),
            ("list[]", json!({"is_list": false, "is_optional": false})),
        ] {
            assert_eq!(typed(annotation), told, "{annotation}");
        }
        assert_eq!(parameter(json!({})), json!({"is_optional": false}));
    }

    #[test]
    fn choices_of_every_kind_are_one_list() {
        let annotation = json!({
            "type": "typing.List[Names]",
            "enums": {"E": ["e"]},
            "devices": {"D": ["d1", "d2"], "One": "d3"},
        });
        assert_eq!(
            parameter(json!({"annotation": annotation})),
            json!({"type": "str", "enum": ["d1", "d2", "d3", "e"], "is_list": true, "is_optional": false})
        );
    }

    #[test]
    fn defaults_and_limits_are_values() {
        assert_eq!(
            parameter(json!({"default": "['a', 1]", "min": "-2", "max": "2.5", "step": "x"})),
            json!({"default": ["a", 1], "is_optional": true, "min": -2, "max": 2.5})
        );
        assert_eq!(parameter(json!({"default": "f()"})), json!({"is_optional": false}));
    }
}
