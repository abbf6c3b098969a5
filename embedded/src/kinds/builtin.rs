//! The built-in kinds: Namespace, ConfigMap, Secret, Event, Lease and CustomResourceDefinition.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Secret};
use k8s_openapi::api::events::v1::Event as NewEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::custom::{age_column, name_column};
use super::path::FieldPath;
use super::{Cell, Column, Kind, NameRule};
use crate::schema::node::Node;

/// The built-in kinds in catalogue order.
pub(crate) fn kinds() -> Result<Vec<Kind>, String> {
    let namespace = Kind {
        namespaced: false,
        status: true,
        short_names: vec!["ns".to_owned()],
        name_rule: NameRule::Label,
        columns: vec![name_column(), column("Status", "string", "status.phase", 0), age_column()],
        selectable: selectable(&["status.phase"]),
        ..kind::<Namespace>("", "Namespace", "namespaces")?
    };
    let config_map = Kind {
        short_names: vec!["cm".to_owned()],
        columns: vec![name_column(), count_column(&["data", "binaryData"]), age_column()],
        ..kind::<ConfigMap>("", "ConfigMap", "configmaps")?
    };
    let secret = Kind {
        columns: vec![
            name_column(),
            column("Type", "string", "type", 0),
            count_column(&["data"]),
            age_column(),
        ],
        selectable: selectable(&["type"]),
        ..kind::<Secret>("", "Secret", "secrets")?
    };
    let lease = Kind {
        unconditional_update: false,
        columns: vec![
            name_column(),
            column("Holder", "string", "spec.holderIdentity", 0),
            age_column(),
        ],
        ..kind::<Lease>("coordination.k8s.io", "Lease", "leases")?
    };
    let event = Kind {
        short_names: vec!["ev".to_owned()],
        columns: event_columns(),
        selectable: selectable(EVENT_FIELDS),
        ..kind::<Event>("", "Event", "events")?
    };
    let new_event = Kind {
        short_names: vec!["ev".to_owned()],
        ..kind::<NewEvent>("events.k8s.io", "Event", "events")?
    };
    let definition = Kind {
        namespaced: false,
        short_names: vec!["crd".to_owned(), "crds".to_owned()],
        read_only: true,
        columns: vec![
            name_column(),
            column("Created At", "string", "metadata.creationTimestamp", 0),
        ],
        ..plain(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            json!({
                "type": "object",
                "description": "One kind that this API serves beside the built-in ones.",
                "x-kubernetes-preserve-unknown-fields": true,
            }),
        )?
    };
    Ok(vec![namespace, config_map, secret, event, lease, definition, new_event])
}

/// Fields by which clients select events, `kubectl describe` among them.
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "type",
];

fn kind<T: JsonSchema>(group: &str, name: &str, plural: &str) -> Result<Kind, String> {
    let mut schema = schema_of::<T>();
    schema["properties"]["metadata"] = object_meta();
    plain(group, name, plural, schema)
}

fn plain(group: &str, name: &str, plural: &str, openapi: Value) -> Result<Kind, String> {
    Ok(Kind {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: name.to_owned(),
        list_kind: format!("{name}List"),
        plural: plural.to_owned(),
        singular: name.to_lowercase(),
        short_names: vec![],
        categories: vec![],
        namespaced: true,
        status: false,
        generation: false,
        unconditional_update: true,
        built_in: true,
        read_only: false,
        name_rule: NameRule::Subdomain,
        schema: Node::compile(&openapi)?,
        openapi,
        columns: vec![name_column(), age_column()],
        selectable: vec![],
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(StructuralSchemaRewriter)
        .into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// Schema of `metadata`, the same for every kind.
pub(crate) fn object_meta() -> Value {
    let mut schema = schema_of::<ObjectMeta>();
    // Written by the server alone; its keys are field paths, which no schema can list.
    schema["properties"]["managedFields"]["items"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    schema["properties"]["finalizers"]["x-kubernetes-list-type"] = json!("set");
    schema["properties"]["ownerReferences"]["x-kubernetes-list-type"] = json!("map");
    schema["properties"]["ownerReferences"]["x-kubernetes-list-map-keys"] = json!(["uid"]);
    schema
}

fn selectable(fields: &[&str]) -> Vec<(String, FieldPath)> {
    fields.iter().map(|field| ((*field).to_owned(), FieldPath::dotted(field))).collect()
}

fn column(name: &str, type_: &str, path: &str, priority: i32) -> Column {
    own_column(name, type_, Cell::Path(FieldPath::dotted(path)), priority)
}

fn own_column(name: &str, type_: &str, cell: Cell, priority: i32) -> Column {
    Column {
        name: name.to_owned(),
        type_: type_.to_owned(),
        format: String::new(),
        description: String::new(),
        priority,
        cell,
    }
}

fn count_column(maps: &'static [&'static str]) -> Column {
    own_column("Data", "integer", Cell::Count(maps), 0)
}

fn event_columns() -> Vec<Column> {
    vec![
        own_column("Last Seen", "date", Cell::LastSeen, 0),
        column("Type", "string", "type", 0),
        column("Reason", "string", "reason", 0),
        own_column("Object", "string", Cell::Regarding, 0),
        column("Source", "string", "source.component", 1),
        column("Message", "string", "message", 0),
        column("Count", "integer", "count", 1),
        Column { priority: 1, ..name_column() },
    ]
}
