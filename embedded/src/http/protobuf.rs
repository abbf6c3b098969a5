//! The Kubernetes protobuf form of the few kinds that `kubectl create namespace|configmap|secret` sends in it.
//!
//! Only requests are read in this form; every answer is JSON, which the same clients accept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// First bytes of every body in this form.
const MAGIC: &[u8] = b"k8s\0";

/// What a field of a message holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Flag,
    Texts,
    TextMap,
    BytesMap,
    Message(&'static [(u64, &'static str, Holds)]),
}

/// Field numbers as in `generated.proto` of `k8s.io/apimachinery` and `k8s.io/api/core/v1`.
const METADATA: &[(u64, &str, Holds)] = &[
    (1, "name", Holds::Text),
    (2, "generateName", Holds::Text),
    (3, "namespace", Holds::Text),
    (11, "labels", Holds::TextMap),
    (12, "annotations", Holds::TextMap),
    (14, "finalizers", Holds::Texts),
];
const NAMESPACE: &[(u64, &str, Holds)] = &[(1, "metadata", Holds::Message(METADATA))];
const CONFIG_MAP: &[(u64, &str, Holds)] = &[
    (1, "metadata", Holds::Message(METADATA)),
    (2, "data", Holds::TextMap),
    (3, "binaryData", Holds::BytesMap),
    (4, "immutable", Holds::Flag),
];
const SECRET: &[(u64, &str, Holds)] = &[
    (1, "metadata", Holds::Message(METADATA)),
    (2, "data", Holds::BytesMap),
    (3, "type", Holds::Text),
    (4, "stringData", Holds::TextMap),
    (5, "immutable", Holds::Flag),
];

/// Reads a body; `None` if it is damaged or of a kind that is not read in this form.
pub(crate) fn read(body: &[u8]) -> Option<Value> {
    let (mut kind, mut version, mut raw) = (String::new(), String::new(), None);
    for field in fields(body.strip_prefix(MAGIC)?)? {
        match field {
            (1, Wire::Bytes(type_meta)) => {
                for field in fields(type_meta)? {
                    match field {
                        (1, Wire::Bytes(text)) => version = self::text(text)?,
                        (2, Wire::Bytes(text)) => kind = self::text(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = Some(bytes),
            _ => {}
        }
    }
    let layout = match (version.as_str(), kind.as_str()) {
        ("v1", "Namespace") => NAMESPACE,
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Secret") => SECRET,
        _ => return None,
    };
    let mut object = message(layout, raw?)?;
    object.insert("apiVersion".to_owned(), json!(version));
    object.insert("kind".to_owned(), json!(kind));
    Some(Value::Object(object))
}

fn message(layout: &[(u64, &str, Holds)], bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for (number, wire) in fields(bytes)? {
        let known = layout.iter().find(|(known, _, _)| *known == number);
        let Some((_, name, holds)) = known else { continue };
        let name = (*name).to_owned();
        match (holds, wire) {
            (Holds::Text, Wire::Bytes(bytes)) => {
                let text = text(bytes)?;
                // Absent texts are sent as empty ones.
                if !text.is_empty() {
                    object.insert(name, json!(text));
                }
            }
            (Holds::Flag, Wire::Number(flag)) => {
                object.insert(name, json!(flag != 0));
            }
            (Holds::Texts, Wire::Bytes(bytes)) => {
                let list = object.entry(name).or_insert_with(|| json!([]));
                list.as_array_mut()?.push(json!(text(bytes)?));
            }
            (Holds::TextMap | Holds::BytesMap, Wire::Bytes(bytes)) => {
                let (key, value) = entry(bytes)?;
                let value = match holds {
                    Holds::TextMap => text(value)?,
                    _ => STANDARD.encode(value),
                };
                let map = object.entry(name).or_insert_with(|| json!({}));
                map.as_object_mut()?.insert(key, json!(value));
            }
            (Holds::Message(layout), Wire::Bytes(bytes)) => {
                object.insert(name, Value::Object(message(layout, bytes)?));
            }
            _ => return None,
        }
    }
    Some(object)
}

fn entry(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value) = (String::new(), &[][..]);
    for field in fields(bytes)? {
        match field {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Some((key, value))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let wire = match key & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Wire::Bytes(content)
            }
            _ => return None,
        };
        found.push((key >> 3, wire));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn damaged_bodies_are_refused_and_nothing_worse(tail in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut body = MAGIC.to_vec();
            body.extend(tail);
            let _ = read(&body);
            prop_assert_eq!(read(&body[1..]), None);
        }
    }
}
