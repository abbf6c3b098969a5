//! Changing an object: replace and every kind of patch end here.

use serde_json::{Value, json};

use super::create::{draft, fold_string_data};
use super::{Api, Part, Resource, WriteOptions, Written, admit, metadata};
use crate::error::{ApiError, Subject};
use crate::patch::managers;
use crate::schema::Problem;
use crate::store::index::Key;
use crate::store::writer::{Expect, WriteError};

/// How often a patch is applied anew because the object changed meanwhile.
const ATTEMPTS: usize = 64;

/// Members of `metadata` that an update cannot change.
const FIXED: &[&str] = &[
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
    "generation",
    "name",
    "namespace",
    "selfLink",
    "uid",
];

/// The wanted state of an object: its members, and who owns its fields if the request settles that itself (apply).
pub(crate) struct Wanted {
    pub(crate) object: Value,
    /// `metadata.managedFields` to store; otherwise the change is recorded for the writer.
    pub(crate) owned: Option<Value>,
}

/// Makes the wanted state of an object out of its current one.
pub(crate) type Change<'a> = dyn Fn(&Value) -> Result<Wanted, ApiError> + Send + Sync + 'a;

impl Api {
    /// Brings an existing object to what `change` makes of it. `change` sees the object in the form of the request and
    /// may be called again when somebody else wrote in between.
    pub(crate) async fn update(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        part: Part,
        options: &WriteOptions,
        change: &Change<'_>,
    ) -> Result<Written, ApiError> {
        let kind = &resource.kind;
        if kind.read_only {
            return Err(ApiError::MethodNotAllowed);
        }
        let key = Key::new(resource.storage, namespace, name);
        for _ in 0..ATTEMPTS {
            let current = self.store.get(&key).ok_or_else(|| ApiError::not_found(kind, name))?;
            let old = resource.show(current.value());
            let wanted = change(&old)?;
            let (new, warnings) = settle(resource, part, &old, wanted, options)?;
            if old == new {
                return Ok(Written { object: current, warnings, created: false });
            }
            let stored = resource.store_form(new);
            let draft = draft(&resource.stored, &stored)?;
            let gone = is_finished(resource, &draft.meta.finalizers, draft.meta.deleting, &stored);
            if options.dry_run {
                let object = draft.finish(current.version).into();
                return Ok(Written { object, warnings, created: false });
            }
            let expect = Expect::Version(current.version);
            let written = if gone {
                self.store.remove(key.clone(), expect, draft).await
            } else {
                self.store.put(key.clone(), expect, draft).await
            };
            match written {
                Ok(object) => return Ok(Written { object, warnings, created: false }),
                Err(WriteError::Changed) => {}
                Err(error) => return Err(ApiError::of_write(error, kind, name)),
            }
        }
        Err(ApiError::modified(Subject::new(kind, name)))
    }

    /// Replaces an object; a resourceVersion in the body must be the current one.
    pub(crate) async fn replace(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        part: Part,
        mut body: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        admit::decode(&resource.kind, &mut body)?;
        let given = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if given.is_empty() && !resource.kind.unconditional_update {
            let detail = "must be specified for an update";
            let problem = Problem::invalid("metadata.resourceVersion", "0x0", detail);
            self.get(resource, namespace, name)?;
            return Err(ApiError::invalid(&resource.kind, name, vec![problem]));
        }
        let change = |_: &Value| Ok(Wanted { object: body.clone(), owned: None });
        self.update(resource, namespace, name, part, options, &change).await
    }
}

/// Whether nothing holds an object back any more that is being deleted.
pub(super) fn is_finished(
    resource: &Resource,
    finalizers: &[String],
    deleting: bool,
    object: &Value,
) -> bool {
    let held = resource.stored.plural == "namespaces"
        && object["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    deleting && finalizers.is_empty() && !held
}

/// The object to store: `wanted`, with everything that is not the writer's to change taken from `old`.
fn settle(
    resource: &Resource,
    part: Part,
    old: &Value,
    wanted: Wanted,
    options: &WriteOptions,
) -> Result<(Value, Vec<String>), ApiError> {
    let kind = &resource.kind;
    let Wanted { object: mut new, owned } = wanted;
    admit::need_metadata(&mut new)?;
    check_identity(resource, old, &new)?;
    if part == Part::Status {
        let status = metadata::members(&mut new).shift_remove("status");
        new = old.clone();
        set_member(&mut new, "status", status);
    } else {
        if kind.status {
            set_member(&mut new, "status", old.get("status").cloned());
        }
        if kind.plural == "secrets" {
            fold_string_data(&mut new);
        }
        if kind.plural == "namespaces" {
            set_member(&mut new, "spec", old.get("spec").cloned());
        }
    }
    let given = metadata::of(&mut new);
    for key in FIXED.iter().chain(&["managedFields", "resourceVersion"]) {
        match old["metadata"].get(key) {
            // Most writers send back what they got, and managed fields are long.
            Some(value) if given.get(*key) == Some(value) => {}
            Some(value) => {
                given.insert((*key).to_owned(), value.clone());
            }
            None => {
                given.shift_remove(*key);
            }
        }
    }
    let warnings = admit::admit(resource, &mut new, Some(old), options)?;
    check_finalizers(resource, old, &new)?;
    if kind.generation && !same_content(kind.status, old, &new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
        metadata::of(&mut new).insert("generation".to_owned(), json!(generation));
    }
    match owned {
        Some(owned) => {
            metadata::of(&mut new).insert("managedFields".to_owned(), owned);
        }
        None => {
            let subresource = if part == Part::Status { "status" } else { "" };
            let entry = managers::Entry::update(&options.manager, kind, subresource);
            managers::record(kind, Some(old), &mut new, &entry);
        }
    }
    Ok((new, warnings))
}

fn set_member(object: &mut Value, name: &str, value: Option<Value>) {
    let map = metadata::members(object);
    match value {
        Some(value) => {
            map.insert(name.to_owned(), value);
        }
        None => {
            map.shift_remove(name);
        }
    }
}

/// Name, UID and resourceVersion in a body must be those of the object.
fn check_identity(resource: &Resource, old: &Value, new: &Value) -> Result<(), ApiError> {
    let text = |object: &Value, key: &str| -> String {
        object["metadata"][key].as_str().unwrap_or_default().to_owned()
    };
    let name = text(old, "name");
    let (given, found) = (text(new, "name"), &name);
    if !given.is_empty() && given != *found {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({given}) does not match the name on the URL ({found})"
        )));
    }
    let (given, found) = (text(new, "namespace"), text(old, "namespace"));
    if !given.is_empty() && given != found {
        return Err(ApiError::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
                .to_owned(),
        ));
    }
    let (given, found) = (text(new, "uid"), text(old, "uid"));
    if !given.is_empty() && given != found {
        return Err(uid_mismatch(resource, &name, &given, &found));
    }
    // The conversion of an object keeps its version, so what a patch did not touch is equal.
    let (given, found) = (text(new, "resourceVersion"), text(old, "resourceVersion"));
    if !given.is_empty() && given != found {
        return Err(ApiError::modified(Subject::new(&resource.kind, &name)));
    }
    Ok(())
}

/// The UID of the request is not the UID of the object.
pub(super) fn uid_mismatch(resource: &Resource, name: &str, given: &str, found: &str) -> ApiError {
    ApiError::Conflict(
        Box::new(Subject::new(&resource.kind, name)),
        format!("Precondition failed: UID in precondition: {given}, UID in object meta: {found}"),
    )
}

/// Nothing may hold back an object that is already being deleted.
fn check_finalizers(resource: &Resource, old: &Value, new: &Value) -> Result<(), ApiError> {
    if old["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned();
    let before = list(old).unwrap_or_default();
    let added: Vec<Value> =
        list(new).unwrap_or_default().into_iter().filter(|f| !before.contains(f)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = added.iter().map(Value::to_string).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        words.join(", ")
    );
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    let problem = Problem::forbidden("metadata.finalizers", &detail);
    Err(ApiError::invalid(&resource.kind, name, vec![problem]))
}

/// Whether everything that `generation` counts is unchanged: all but metadata, and but the status where it is a part.
fn same_content(status_apart: bool, old: &Value, new: &Value) -> bool {
    let counted = |name: &str| name != "metadata" && !(status_apart && name == "status");
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return old == new };
    let names = old.keys().chain(new.keys());
    names.filter(|name| counted(name)).all(|name| old.get(name) == new.get(name))
}
