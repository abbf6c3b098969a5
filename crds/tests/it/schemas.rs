//! Every schema is structural and bounded, and explains itself.

use serde_json::{Map, Value};

/// Calls `check` with the path and the node of every schema of every definition.
fn every_node(check: &mut dyn FnMut(&str, &Map<String, Value>)) {
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let version = &crd["spec"]["versions"][0];
        visit(kind, &version["schema"]["openAPIV3Schema"], check);
    }
}

fn visit(path: &str, schema: &Value, check: &mut dyn FnMut(&str, &Map<String, Value>)) {
    let node = schema.as_object().unwrap();
    check(path, node);
    for (name, property) in node.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        visit(&format!("{path}.{name}"), property, check);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get(key).filter(|inner| inner.is_object()) {
            visit(&format!("{path}.{key}"), inner, check);
        }
    }
}

#[test]
fn every_schema_is_structural() {
    every_node(&mut |path, node| {
        for forbidden in ["oneOf", "anyOf", "allOf", "not", "$ref", "$defs", "const"] {
            assert!(!node.contains_key(forbidden), "{path} has {forbidden}");
        }
        let free = node.contains_key("x-kubernetes-preserve-unknown-fields");
        let single = node.get("type").is_some_and(Value::is_string);
        let number_or_text = node.contains_key("x-kubernetes-int-or-string");
        assert!(single || free || number_or_text, "{path} has no single type");
        assert!(
            !(node.contains_key("properties") && node.contains_key("additionalProperties")),
            "{path} has both properties and additionalProperties"
        );
    });
}

#[test]
fn every_list_map_and_string_is_bounded() {
    every_node(&mut |path, node| {
        let bounded_text =
            ["enum", "maxLength", "format"].iter().any(|key| node.contains_key(*key));
        match node.get("type").and_then(Value::as_str) {
            Some("string") => assert!(bounded_text, "{path} has no maxLength"),
            Some("array") => assert!(node.contains_key("maxItems"), "{path} has no maxItems"),
            Some("object") if !node.contains_key("properties") && path.contains('.') => {
                assert!(node.contains_key("maxProperties"), "{path} has no maxProperties");
            }
            _ => {}
        }
    });
}

#[test]
fn every_field_is_explained() {
    every_node(&mut |path, node| {
        let inner = path.ends_with(".items") || path.ends_with(".additionalProperties");
        let described = node.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(
            !described.replace("\n\n", "").contains('\n'),
            "{path}: a line ends within a paragraph"
        );
        assert!(inner || !described.is_empty(), "{path} has no description");
    });
}

#[test]
fn every_kind_is_listed_with_its_age_and_under_one_category() {
    for crd in crds::all() {
        let name = crd.metadata.name.clone().unwrap();
        assert_eq!(crd.spec.names.categories.as_deref(), Some(&["beamline-all".to_owned()][..]));
        let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
        assert_eq!(columns.last().map(|column| column.name.as_str()), Some("Age"), "{name}");
        let short = crd.spec.names.short_names.unwrap_or_default();
        assert!(!short.contains(&"pv".to_owned()), "pv is PersistentVolume");
    }
}
