//! `pprint.pformat(value, sort_dicts=False)` of a value whose long parts are shortened first, as bluesky-queueserver prints items.

use serde_json::{Map, Value};

use super::{repr, repr_str};

/// Line width.
const WIDTH: usize = 80;
/// Longest string that is printed whole, characters.
const MAX_TEXT: usize = 1024;
/// Most entries of a list that are printed.
const MAX_LIST: usize = 10;
/// Most entries of a dictionary that are printed.
const MAX_DICT: usize = 30;
/// A string under a key that is part of this word is printed whole.
const WHOLE: &str = "traceback";

/// The value over as many lines as it needs.
pub fn pformat(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, &shortened(value), WIDTH, 0, 0);
    out
}

/// The whole value over lines of at most `width` characters, where that can be.
pub fn pformat_wide(value: &Value, width: usize) -> String {
    let mut out = String::new();
    write(&mut out, value, width, 0, 0);
    out
}

fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let length = text.chars().count();
            if length <= MAX_TEXT {
                return value.clone();
            }
            let head: String = text.chars().take(MAX_TEXT / 2).collect();
            let tail: String = text.chars().skip(length - MAX_TEXT / 2).collect();
            Value::String(format!("{head} ...\n... {tail}"))
        }
        Value::Array(list) => {
            let mut short: Vec<_> = list.iter().take(MAX_LIST).map(shortened).collect();
            if list.len() > MAX_LIST {
                short.push("...".into());
            }
            Value::Array(short)
        }
        Value::Object(map) => {
            let part = |(key, value): (&String, &Value)| match value {
                Value::String(_) if WHOLE.contains(key.as_str()) => (key.clone(), value.clone()),
                _ => (key.clone(), shortened(value)),
            };
            let mut short: Map<_, _> = map.iter().take(MAX_DICT).map(part).collect();
            if map.len() > MAX_DICT {
                short.insert("...".to_owned(), "...".into());
            }
            Value::Object(short)
        }
        other => other.clone(),
    }
}

/// Writes the value on one line when it fits behind `indent` with `after` more characters to come.
fn write(out: &mut String, value: &Value, width: usize, indent: usize, after: usize) {
    let line = repr(value);
    if indent + line.chars().count() + after <= width {
        out.push_str(&line);
        return;
    }
    let separator = format!(",\n{}", " ".repeat(indent + 1));
    match value {
        Value::Array(list) if !list.is_empty() => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                let last = index + 1 == list.len();
                write(out, item, width, indent + 1, if last { after + 1 } else { 1 });
                out.push_str(if last { "]" } else { &separator });
            }
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                let last = index + 1 == map.len();
                let key = repr_str(key);
                let indent = indent + key.chars().count() + 3;
                out.push_str(&key);
                out.push_str(": ");
                write(out, item, width, indent, if last { after + 1 } else { 1 });
                out.push_str(if last { "}" } else { &separator });
            }
        }
        Value::String(text) => {
            let chunks = broken(text, width.saturating_sub(indent), after);
            out.push_str(&chunks.join(&format!("\n{}", " ".repeat(indent))));
        }
        _ => out.push_str(&line),
    }
}

/// A long string as several: one a line of it, and further ones at its spaces.
fn broken(text: &str, width: usize, after: usize) -> Vec<String> {
    let fits = |text: &str, after: usize| repr_str(text).chars().count() + after <= width;
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let mut chunks = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let last = index + 1 == lines.len();
        if fits(line, if last { after } else { 0 }) {
            chunks.push(repr_str(line));
            continue;
        }
        let words = words(line);
        let mut current = String::new();
        for (index, word) in words.iter().enumerate() {
            let after = if last && index + 1 == words.len() { after } else { 0 };
            let candidate = format!("{current}{word}");
            if fits(&candidate, after) {
                current = candidate;
            } else {
                if !current.is_empty() {
                    chunks.push(repr_str(&current));
                }
                current = (*word).to_owned();
            }
        }
        if !current.is_empty() {
            chunks.push(repr_str(&current));
        }
    }
    chunks
}

/// Words, each with the white space behind it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut spaces = false;
    for (index, c) in line.char_indices() {
        if spaces && !c.is_whitespace() {
            words.push(&line[start..index]);
            start = index;
        }
        spaces = c.is_whitespace();
    }
    words.push(&line[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    #[test]
    fn a_long_text_is_broken_at_spaces_and_a_longer_one_is_cut() {
        let item = json!({"name": "count", "note": "twelve words ".repeat(8)});
        assert_eq!(
            pformat(&item),
            "{'name': 'count',\n 'note': 'twelve words twelve words twelve words twelve words \
             twelve words '\n         'twelve words twelve words twelve words '}"
        );
        assert!(pformat(&json!(["x".repeat(2000)])).len() < 1100);
        assert_eq!(
            pformat(&json!((0..20).collect::<Vec<_>>())),
            "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, '...']"
        );
    }
}
