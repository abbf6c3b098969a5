//! A custom resource definition as a kind.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::path::FieldPath;
use super::{Cell, Column, Kind, NameRule};
use crate::schema::node::Node;

/// The kind that `definition` describes, or what is wrong with it.
pub(crate) fn kind(definition: &CustomResourceDefinition) -> Result<Kind, String> {
    let spec = &definition.spec;
    let [version] = spec.versions.as_slice() else {
        return Err(format!("it has {} versions, only one can be served", spec.versions.len()));
    };
    let schema = version
        .schema
        .as_ref()
        .and_then(|validation| validation.open_api_v3_schema.as_ref())
        .ok_or("it has no schema")?;
    let mut openapi = serde_json::to_value(schema).map_err(|error| error.to_string())?;
    openapi["properties"]["apiVersion"] = json!({"type": "string", "description": API_VERSION});
    openapi["properties"]["kind"] = json!({"type": "string", "description": KIND});
    openapi["properties"]["metadata"] = super::builtin::object_meta();
    let status = version.subresources.as_ref().is_some_and(|sub| sub.status.is_some());
    let printer = version.additional_printer_columns.as_deref().unwrap_or_default();
    let mut columns = vec![name_column()];
    for column in printer {
        let path = FieldPath::parse(&column.json_path)
            .ok_or_else(|| format!("unsupported path of a column: {}", column.json_path))?;
        columns.push(Column {
            name: column.name.clone(),
            type_: column.type_.clone(),
            format: column.format.clone().unwrap_or_default(),
            description: column.description.clone().unwrap_or_default(),
            priority: column.priority.unwrap_or_default(),
            cell: Cell::Path(path),
        });
    }
    if printer.is_empty() {
        columns.push(age_column());
    }
    let selectable = version
        .selectable_fields
        .iter()
        .flatten()
        .map(|field| {
            let path = FieldPath::parse(&field.json_path)
                .ok_or_else(|| format!("unsupported selectable field: {}", field.json_path))?;
            Ok((field.json_path.trim_start_matches('.').to_owned(), path))
        })
        .collect::<Result<_, String>>()?;
    let names = &spec.names;
    Ok(Kind {
        group: spec.group.clone(),
        version: version.name.clone(),
        kind: names.kind.clone(),
        list_kind: names.list_kind.clone().unwrap_or_else(|| format!("{}List", names.kind)),
        plural: names.plural.clone(),
        singular: names.singular.clone().unwrap_or_else(|| names.kind.to_lowercase()),
        short_names: names.short_names.clone().unwrap_or_default(),
        categories: names.categories.clone().unwrap_or_default(),
        namespaced: spec.scope == "Namespaced",
        status,
        generation: true,
        unconditional_update: false,
        built_in: false,
        read_only: false,
        name_rule: NameRule::Subdomain,
        schema: Node::compile(&openapi)?,
        openapi,
        columns,
        selectable,
    })
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

pub(super) fn name_column() -> Column {
    Column {
        name: "Name".to_owned(),
        type_: "string".to_owned(),
        format: "name".to_owned(),
        description: "Name of the object, unique within its namespace".to_owned(),
        priority: 0,
        cell: Cell::Name,
    }
}

pub(super) fn age_column() -> Column {
    Column {
        name: "Age".to_owned(),
        type_: "date".to_owned(),
        format: String::new(),
        description: "How long ago the object was created".to_owned(),
        priority: 0,
        cell: Cell::Path(FieldPath::dotted("metadata.creationTimestamp")),
    }
}

/// The definition as it is listed: with the conditions that tell clients that it is in force.
pub(crate) fn object(definition: &CustomResourceDefinition) -> Result<Value, serde_json::Error> {
    let mut object = serde_json::to_value(definition)?;
    let name = definition.metadata.name.clone().unwrap_or_default();
    object["apiVersion"] = json!("apiextensions.k8s.io/v1");
    object["kind"] = json!("CustomResourceDefinition");
    object["metadata"]["uid"] =
        json!(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, name.as_bytes()).to_string());
    object["metadata"]["generation"] = json!(1);
    // Definitions are given anew at each start, so that is when they came to be.
    let now = crate::api::create::now();
    object["metadata"]["creationTimestamp"] = json!(now);
    let condition = |type_: &str, reason: &str, message: &str| {
        json!({"type": type_, "status": "True", "reason": reason, "message": message,
               "lastTransitionTime": now})
    };
    object["status"] = json!({
        "acceptedNames": object["spec"]["names"],
        "storedVersions": definition.spec.versions.iter().map(|v| &v.name).collect::<Vec<_>>(),
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
    Ok(object)
}
