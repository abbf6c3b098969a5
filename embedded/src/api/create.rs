//! Creating an object.

use serde_json::{Value, json};

use super::{Api, Resource, WriteOptions, Written, admit, metadata};
use crate::error::{ApiError, Subject};
use crate::kinds::{Kind, NAMESPACES};
use crate::patch::managers;
use crate::store::index::Key;
use crate::store::object::Draft;
use crate::store::writer::{Expect, WriteError};

/// How often a generated name may collide before giving up.
const NAME_ATTEMPTS: usize = 8;

/// Members of `metadata` that only the server sets.
const SERVER_SET: &[&str] = &[
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "managedFields",
];

/// The time now as Kubernetes writes it, in whole seconds.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Api {
    /// Creates an object in `namespace` (empty for cluster-scoped kinds).
    pub(crate) async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let fields = managers::Entry::update(&options.manager, &resource.kind, "");
        self.create_owned(resource, namespace, body, options, &|object| {
            managers::record(&resource.kind, None, object, &fields);
        })
        .await
    }

    /// Creates an object whose `managedFields` are set by `own`.
    pub(crate) async fn create_owned(
        &self,
        resource: &Resource,
        namespace: &str,
        mut body: Value,
        options: &WriteOptions,
        own: &(dyn Fn(&mut Value) + Sync),
    ) -> Result<Written, ApiError> {
        let kind = &resource.kind;
        if kind.read_only {
            return Err(ApiError::MethodNotAllowed);
        }
        admit::decode(kind, &mut body)?;
        let given = metadata::of(&mut body);
        if given.get("resourceVersion").and_then(Value::as_str).is_some_and(|v| !v.is_empty()) {
            return Err(ApiError::BadRequest(
                "resourceVersion should not be set on objects to be created".to_owned(),
            ));
        }
        given.retain(|key, _| !SERVER_SET.contains(&key.as_str()) && key != "resourceVersion");
        set_namespace(kind, namespace, &mut body)?;
        if kind.status {
            metadata::members(&mut body).shift_remove("status");
        }
        prepare(resource, &mut body);
        let prefix = body["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
        let generated = body["metadata"]["name"].as_str().is_none_or(str::is_empty);
        for attempt in 1.. {
            let mut object = body.clone();
            if generated && !prefix.is_empty() {
                let name = metadata::generate_name(&prefix);
                metadata::of(&mut object).insert("name".to_owned(), json!(name));
            }
            let warnings = admit::admit(resource, &mut object, None, options)?;
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            self.check_namespace(kind, namespace, &name)?;
            let given = metadata::of(&mut object);
            given.insert("uid".to_owned(), json!(uuid::Uuid::new_v4().to_string()));
            given.insert("creationTimestamp".to_owned(), json!(now()));
            if kind.generation {
                given.insert("generation".to_owned(), json!(1));
            }
            own(&mut object);
            let object = resource.store_form(object);
            let draft = draft(&resource.stored, &object)?;
            let key = Key::new(resource.storage, namespace, &name);
            if options.dry_run {
                if self.store.get(&key).is_some() {
                    return Err(ApiError::of_write(WriteError::Exists, kind, &name));
                }
                let object = draft.finish(self.store.version()).into();
                return Ok(Written { object, warnings, created: true });
            }
            match self.store.put(key, Expect::Absent, draft).await {
                Ok(object) => return Ok(Written { object, warnings, created: true }),
                Err(WriteError::Exists) if generated && attempt < NAME_ATTEMPTS => {}
                Err(error) => return Err(ApiError::of_write(error, kind, &name)),
            }
        }
        Err(ApiError::Internal("no name could be generated".to_owned()))
    }

    /// New objects need a namespace that exists and is not going away.
    fn check_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), ApiError> {
        if !kind.namespaced {
            return Ok(());
        }
        match self.namespace(namespace) {
            Some(found) if found.meta.deleting => {
                Err(ApiError::Terminating(Box::new(Subject::new(kind, name)), namespace.to_owned()))
            }
            Some(_) => Ok(()),
            None => match self.catalogue.get(NAMESPACES) {
                Some(namespaces) => Err(ApiError::not_found(namespaces, namespace)),
                None => Err(ApiError::UnknownPath),
            },
        }
    }
}

/// The draft of an object in its stored form.
pub(super) fn draft(kind: &Kind, object: &Value) -> Result<Draft, ApiError> {
    Draft::new(object, kind.selectable_values(object))
        .map_err(|error| ApiError::Internal(error.to_string()))
}

/// The namespace of the request is the namespace of the object.
fn set_namespace(kind: &Kind, namespace: &str, body: &mut Value) -> Result<(), ApiError> {
    let given = metadata::of(body);
    if !kind.namespaced {
        given.shift_remove("namespace");
        return Ok(());
    }
    match given.get("namespace").and_then(Value::as_str) {
        Some(other) if !other.is_empty() && other != namespace => Err(ApiError::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
                .to_owned(),
        )),
        _ => {
            given.insert("namespace".to_owned(), json!(namespace));
            Ok(())
        }
    }
}

/// What some built-in kinds get at creation.
pub(super) fn prepare(resource: &Resource, object: &mut Value) {
    match resource.kind.plural.as_str() {
        "namespaces" => {
            let name = object["metadata"]["name"].clone();
            let given = metadata::of(object);
            let labels = metadata::members(given.entry("labels").or_insert_with(|| json!({})));
            labels.insert("kubernetes.io/metadata.name".to_owned(), name);
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        "secrets" => fold_string_data(object),
        _ => {}
    }
}

/// `stringData` of a secret is write-only: it becomes `data`.
pub(super) fn fold_string_data(object: &mut Value) {
    use base64::Engine as _;
    let map = metadata::members(object);
    if let Some(Value::Object(plain)) = map.shift_remove("stringData") {
        let data = metadata::members(map.entry("data").or_insert_with(|| json!({})));
        for (key, value) in plain {
            let bytes = value.as_str().unwrap_or_default().as_bytes();
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            data.insert(key, json!(encoded));
        }
    }
    map.entry("type").or_insert_with(|| json!("Opaque"));
}
