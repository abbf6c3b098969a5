//! Descriptions for `kubectl explain`: the line breaks of our source are not those of a reader's terminal.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// The definition with every paragraph of its descriptions on one line.
pub(crate) fn flow(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) =
            version.schema.as_mut().and_then(|one| one.open_api_v3_schema.as_mut())
        {
            flow_schema(schema);
        }
    }
    crd
}

fn flow_schema(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        *text = paragraphs_on_one_line(text);
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
        .for_each(flow_schema);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        flow_schema(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        flow_schema(values);
    }
}

fn paragraphs_on_one_line(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
