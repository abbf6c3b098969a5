//! Objects, lists and events in the form that the client asked for.

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::options::Form;
use super::{json as answer, table};
use crate::api::list::Page;
use crate::api::{Resource, Written};
use crate::store::object::Stored;

/// One object as JSON bytes.
pub(crate) fn object(resource: &Resource, stored: &Stored, form: Form) -> Bytes {
    match form {
        Form::Table => {
            let rows = [table::row(resource, stored, table::Include::Metadata)];
            Bytes::from(
                table::table(resource, &stored.version.to_string(), &rows, true).to_string(),
            )
        }
        Form::Metadata | Form::MetadataList => {
            Bytes::from(metadata_only(&stored.value()).to_string())
        }
        Form::Object | Form::Discovery if resource.is_other_form() => {
            Bytes::from(resource.show(stored.value()).to_string())
        }
        Form::Object | Form::Discovery => stored.json.clone(),
    }
}

/// `metadata` alone.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

/// A page of a list. Objects are copied as they are stored, not parsed.
pub(crate) fn list(
    resource: &Resource,
    page: &Page,
    form: Form,
    include: table::Include,
) -> Response {
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if let Some(next) = &page.next {
        metadata["continue"] = json!(next);
        metadata["remainingItemCount"] = json!(page.remaining);
    }
    if form == Form::Table {
        let rows: Vec<Value> =
            page.objects.iter().map(|o| table::row(resource, o, include)).collect();
        let mut table = table::table(resource, "", &rows, true);
        table["metadata"] = metadata;
        return answer(StatusCode::OK, table.to_string());
    }
    let (kind, version) = match form {
        Form::Metadata | Form::MetadataList => {
            ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned())
        }
        _ => (resource.kind.list_kind.as_str(), resource.kind.api_version()),
    };
    let size: usize = page.objects.iter().map(|object| object.json.len() + 1).sum();
    let mut body = BytesMut::with_capacity(size + 256);
    let head = json!({"kind": kind, "apiVersion": version, "metadata": metadata}).to_string();
    body.put_slice(&head.as_bytes()[..head.len() - 1]);
    body.put_slice(b",\"items\":[");
    for (index, stored) in page.objects.iter().enumerate() {
        if index > 0 {
            body.put_u8(b',');
        }
        body.put_slice(&object(resource, stored, form));
    }
    body.put_slice(b"]}");
    answer(StatusCode::OK, body.freeze())
}

/// The answer to a write.
pub(crate) fn written(resource: &Resource, written: &Written, form: Form) -> Response {
    let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer(code, Body::from(object(resource, &written.object, form)));
    for warning in &written.warnings {
        let text = format!("299 - {warning:?}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
