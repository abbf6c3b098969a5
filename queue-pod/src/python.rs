//! How Python would print a JSON value. The error texts of the queue protocol contain such prints, and clients match on them.

use serde_json::{Map, Value};

/// Line width of Python's `pprint`.
const WIDTH: usize = 80;
/// Longest string that is printed whole.
const MAX_TEXT: usize = 1024;
/// Most entries of a list that are printed.
const MAX_LIST: usize = 10;
/// Most entries of a dictionary that are printed.
const MAX_DICT: usize = 30;

/// `type(value)` as Python prints it: `<class 'int'>`.
pub fn type_of(value: &Value) -> String {
    let name = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    format!("<class '{name}'>")
}

/// `str(value)`: strings bare, everything else as [`repr`].
pub fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => repr_str(text),
        Value::Array(list) => repr_list(list.iter().map(repr)),
        Value::Object(map) => repr_map(map),
    }
}

/// `repr` of a list of strings.
pub fn repr_strs<'a>(list: impl IntoIterator<Item = &'a str>) -> String {
    repr_list(list.into_iter().map(repr_str))
}

/// `repr` of a dictionary.
pub fn repr_map(map: &Map<String, Value>) -> String {
    let inner: Vec<_> = map.iter().map(|(k, v)| format!("{}: {}", repr_str(k), repr(v))).collect();
    format!("{{{}}}", inner.join(", "))
}

fn repr_list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// `repr` of a string: single quotes unless only they occur in it.
pub fn repr_str(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `pprint.pformat(value, sort_dicts=False)` of a value whose long parts are shortened first.
pub fn pformat(value: &Value) -> String {
    layout(&shortened(value), 0, 0)
}

fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > MAX_TEXT => {
            Value::String(text.chars().take(MAX_TEXT).chain("...".chars()).collect())
        }
        Value::Array(list) => Value::Array(list.iter().take(MAX_LIST).map(shortened).collect()),
        Value::Object(map) => Value::Object(
            map.iter().take(MAX_DICT).map(|(k, v)| (k.clone(), shortened(v))).collect(),
        ),
        other => other.clone(),
    }
}

/// One line when it fits behind `indent` with `tail` more characters to come, else one entry a line.
fn layout(value: &Value, indent: usize, tail: usize) -> String {
    let line = repr(value);
    if indent + line.chars().count() + tail <= WIDTH {
        return line;
    }
    let separator = format!(",\n{}", " ".repeat(indent + 1));
    match value {
        Value::Array(list) => {
            let inner: Vec<_> = list.iter().map(|v| layout(v, indent + 1, 1)).collect();
            format!("[{}]", inner.join(&separator))
        }
        Value::Object(map) => {
            let entry = |(k, v): (&String, &Value)| {
                let key = repr_str(k);
                let indent = indent + key.chars().count() + 3;
                format!("{key}: {}", layout(v, indent, 1))
            };
            let inner: Vec<_> = map.iter().map(entry).collect();
            format!("{{{}}}", inner.join(&separator))
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_in_python() {
        assert_eq!(
            repr(&json!({"a": [1, 2.5, null, true], "b": "it's"})),
            r#"{'a': [1, 2.5, None, True], 'b': "it's"}"#
        );
        assert_eq!(repr(&json!("a\n\\'\"")), r#"'a\n\\\'"'"#);
        assert_eq!(type_of(&json!(5)), "<class 'int'>");
        assert_eq!(type_of(&json!(5.0)), "<class 'float'>");
        assert_eq!(type_of(&json!(null)), "<class 'NoneType'>");
    }

    #[test]
    fn a_long_item_prints_one_key_a_line() {
        let short = json!({"name": "queue_stop2", "item_type": "instruction"});
        assert_eq!(pformat(&short), "{'name': 'queue_stop2', 'item_type': 'instruction'}");
        let long = json!({"name": "count", "item_type": "plan", "args": [["det1"]],
            "kwargs": {"num": "a", "text": "a text that is long enough to need lines"}});
        assert_eq!(
            pformat(&long),
            "{'name': 'count',\n 'item_type': 'plan',\n 'args': [['det1']],\n \
             'kwargs': {'num': 'a', 'text': 'a text that is long enough to need lines'}}"
        );
    }
}
