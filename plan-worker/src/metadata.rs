//! What of the metadata of the Run Engine may be told (contract queue-server §6.5).

use serde_json::{Map, Value};

/// What is left of `metadata` under the permitted paths, such as `/key/inner`; `/` permits everything.
pub(crate) fn permitted(metadata: Map<String, Value>, paths: &[String]) -> Map<String, Value> {
    if paths.iter().any(|path| path == "/") {
        return metadata;
    }
    let paths: Vec<_> = paths.iter().map(|path| path.trim_end_matches('/')).collect();
    below("", metadata, &paths)
}

fn below(prefix: &str, metadata: Map<String, Value>, paths: &[&str]) -> Map<String, Value> {
    let mut left = Map::new();
    for (key, value) in metadata {
        let path = format!("{prefix}/{key}");
        match value {
            value if paths.contains(&&*path) => {
                left.insert(key, value);
            }
            Value::Object(inner) => {
                let inner = below(&path, inner, paths);
                if !inner.is_empty() {
                    left.insert(key, Value::Object(inner));
                }
            }
            _ => {}
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_permitted_is_told() {
        let metadata = json!({"a": 1, "versions": {"x": "1", "y": "2"}, "c": {"d": {}}});
        let Value::Object(metadata) = metadata else { unreachable!("an object literal") };
        let told = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|&path| path.to_owned()).collect();
            Value::Object(permitted(metadata.clone(), &paths))
        };
        assert_eq!(told(&["/"]), Value::Object(metadata.clone()));
        assert_eq!(told(&["/a/", "/versions/x"]), json!({"a": 1, "versions": {"x": "1"}}));
        assert_eq!(told(&["/versions"]), json!({"versions": {"x": "1", "y": "2"}}));
        assert_eq!(told(&["/none"]), json!({}));
    }
}
