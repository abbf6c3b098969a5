//! Schemas of the Kubernetes shapes in a `Beamline`: bounded, explained, and only as deep as a user
//! of this kind needs. The whole of a pod template would be half a megabyte.
//!
//! Where a schema keeps unknown fields, the Kubernetes API judges them when the pod is made.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Most entries of a list or map of one pod.
const MAX_ENTRIES: u64 = 64;
/// Longest annotation; all of one object may have 256 KiB together.
const MAX_ANNOTATION: u64 = 65_536;
/// Longest value of an environment variable.
const MAX_ENVIRONMENT_VALUE: u64 = 32_768;

/// Label key to label value.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_ENTRIES,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}

/// Annotation key to value.
pub(super) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAX_ENTRIES,
        "additionalProperties": { "type": "string", "maxLength": MAX_ANNOTATION },
    })
}

/// `resources` of a container.
pub(super) fn resources(_: &mut SchemaGenerator) -> Schema {
    let amounts = |description: &str| {
        json!({
            "description": description,
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {
                "x-kubernetes-int-or-string": true,
                "maxLength": 64,
                "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]+)?$",
            },
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "limits": amounts("Most that it may use, such as `memory: 256Mi`."),
            "requests": amounts("What is kept free for it, such as `cpu: 100m`."),
        },
    })
}

/// `tolerations` of a pod.
pub(super) fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_ENTRIES,
        "items": {
            "type": "object",
            "properties": {
                "key": text("Key of the taint; every taint when absent.", 316),
                "operator": words("How the value is compared.", &["Equal", "Exists"]),
                "value": text("Value of the taint, for `Equal`.", 63),
                "effect": words(
                    "Effect of the taint; every effect when absent.",
                    &["NoSchedule", "PreferNoSchedule", "NoExecute"],
                ),
                "tolerationSeconds": {
                    "description": "How long a pod stays under `NoExecute`; for ever when absent.",
                    "type": "integer",
                    "format": "int64",
                },
            },
        },
    })
}

/// `affinity` of a pod.
pub(super) fn affinity(_: &mut SchemaGenerator) -> Schema {
    let kept = |description: &str| kept_object(description);
    json_schema!({
        "type": "object",
        "properties": {
            "nodeAffinity": kept("Nodes that are liked, as in a pod."),
            "podAffinity": kept("Pods that are liked as neighbours, as in a pod."),
            "podAntiAffinity": kept("Pods that are not liked as neighbours, as in a pod."),
        },
    })
}

/// `topologySpreadConstraints` of a pod.
pub(super) fn topology_spread(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "object",
            "required": ["maxSkew", "topologyKey", "whenUnsatisfiable"],
            "properties": {
                "maxSkew": {
                    "description": "Most that two domains may differ in their number of pods.",
                    "type": "integer",
                    "format": "int32",
                    "minimum": 1,
                },
                "minDomains": {
                    "description": "Number of domains that there must be.",
                    "type": "integer",
                    "format": "int32",
                    "minimum": 1,
                },
                "topologyKey": text("Label of nodes that makes a domain.", 316),
                "whenUnsatisfiable": words(
                    "What becomes of a pod that does not fit.",
                    &["DoNotSchedule", "ScheduleAnyway"],
                ),
                "labelSelector": kept_object("Which pods are counted; those of the part when absent."),
                "matchLabelKeys": {
                    "description": "Labels whose values are taken from the pod itself.",
                    "type": "array",
                    "maxItems": 16,
                    "items": { "type": "string", "maxLength": 316 },
                },
                "nodeAffinityPolicy": words(
                    "Whether nodes that the pod may not run on count.",
                    &["Honor", "Ignore"],
                ),
                "nodeTaintsPolicy": words("Whether tainted nodes count.", &["Honor", "Ignore"]),
            },
        },
    })
}

/// `env` of a container. Secrets are given by reference.
pub(super) fn environment(_: &mut SchemaGenerator) -> Schema {
    let reference = |description: &str| {
        json!({
            "description": description,
            "type": "object",
            "required": ["name", "key"],
            "properties": {
                "name": text("Its `metadata.name`.", 253),
                "key": text("Key within it.", 253),
                "optional": {
                    "description": "Whether a pod starts without it.",
                    "type": "boolean",
                },
            },
        })
    };
    json_schema!({
        "type": "array",
        "maxItems": 128,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "x-kubernetes-validations": [{
                "rule": "!(has(self.value) && has(self.valueFrom))",
                "message": "a variable has either a value or a valueFrom",
            }],
            "properties": {
                "name": {
                    "description": "Name of the variable.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 253,
                    "pattern": "^[A-Za-z_.-][A-Za-z0-9_.-]*$",
                },
                "value": text("Its value. `$(NAME)` stands for another variable.", MAX_ENVIRONMENT_VALUE),
                "valueFrom": {
                    "description": "Where its value comes from.",
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": {
                        "secretKeyRef": reference("A key of a Secret."),
                        "configMapKeyRef": reference("A key of a ConfigMap."),
                        "fieldRef": {
                            "description": "A field of the pod.",
                            "type": "object",
                            "required": ["fieldPath"],
                            "properties": {
                                "fieldPath": text("Such as `spec.nodeName`.", 253),
                            },
                        },
                    },
                },
            },
        },
    })
}

/// `volumes` of a pod: a name, and one source of any kind.
pub(super) fn volumes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_ENTRIES,
        "items": {
            "type": "object",
            "required": ["name"],
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": { "name": text("Name of the volume; its source stands beside it.", 63) },
        },
    })
}

/// The source of one volume, as it stands beside the name of a volume of a pod.
pub(super) fn volume_source(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 1,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// `volumeMounts` of a container.
pub(super) fn volume_mounts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_ENTRIES,
        "items": {
            "type": "object",
            "required": ["name", "mountPath"],
            "properties": {
                "name": text("Name of the volume.", 63),
                "mountPath": text("Where the container finds it.", 4096),
                "subPath": text("Path within the volume; all of it when absent.", 4096),
                "readOnly": {
                    "description": "Whether the container may only read it.",
                    "type": "boolean",
                },
            },
        },
    })
}

/// `from` of a NetworkPolicy.
pub(super) fn network_policy_peers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_ENTRIES,
        "items": {
            "type": "object",
            "minProperties": 1,
            "properties": {
                "ipBlock": kept_object("Addresses, as in a NetworkPolicy: `cidr` and `except`."),
                "namespaceSelector": kept_object("Namespaces by their labels; all when empty."),
                "podSelector": kept_object("Pods by their labels; all when empty."),
            },
        },
    })
}

fn text(description: &str, longest: u64) -> Value {
    json!({ "description": description, "type": "string", "maxLength": longest })
}

fn words(description: &str, words: &[&str]) -> Value {
    json!({ "description": description, "type": "string", "enum": words })
}

fn kept_object(description: &str) -> Value {
    json!({
        "description": description,
        "type": "object",
        "maxProperties": MAX_ENTRIES,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
