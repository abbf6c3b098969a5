//! Deleting objects: preconditions, finalizers, and what happens to dependents.

use std::sync::Arc;

use serde_json::{Value, json};

use super::create::{draft, now};
use super::selector::Selector;
use super::update::{is_finished, uid_mismatch};
use super::{Api, Resource, metadata};
use crate::error::{ApiError, Subject};
use crate::store::index::Key;
use crate::store::object::Stored;
use crate::store::writer::{Expect, WriteError};

/// Finalizer of an owner that waits until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an owner whose dependents are to be set free.
pub(crate) const ORPHAN: &str = "orphan";

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// What a delete request says.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) propagation: Propagation,
    pub(crate) dry_run: bool,
}

/// How far a deletion got.
#[derive(Debug)]
pub(crate) enum Deleted {
    Gone(Arc<Stored>),
    /// Finalizers hold the object back.
    Waiting(Arc<Stored>),
}

impl Api {
    /// Deletes an object, or marks it when finalizers hold it back.
    pub(crate) async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        let kind = &resource.kind;
        if kind.read_only {
            return Err(ApiError::MethodNotAllowed);
        }
        let key = Key::new(resource.storage, namespace, name);
        loop {
            let current = self.get(resource, namespace, name)?;
            check_preconditions(resource, &current, options)?;
            let object = current.value();
            let mut marked = object.clone();
            set_propagation(&mut marked, options.propagation);
            if object["metadata"]["deletionTimestamp"].is_null() {
                mark(&mut marked, kind.generation);
            }
            let draft = draft(&resource.stored, &marked)?;
            let gone = is_finished(resource, &draft.meta.finalizers, true, &marked);
            let outcome =
                |object| if gone { Deleted::Gone(object) } else { Deleted::Waiting(object) };
            if !gone && marked == object {
                return Ok(Deleted::Waiting(current));
            }
            if options.dry_run {
                return Ok(outcome(draft.finish(current.version).into()));
            }
            let expect = Expect::Version(current.version);
            let written = if gone {
                self.store.remove(key.clone(), expect, draft).await
            } else {
                self.store.put(key.clone(), expect, draft).await
            };
            match written {
                Ok(object) => return Ok(outcome(object)),
                Err(WriteError::Changed) => {}
                Err(error) => return Err(ApiError::of_write(error, kind, name)),
            }
        }
    }

    /// Lets go of a namespace that is being deleted and has become empty.
    pub(crate) async fn finalize_namespace(
        &self,
        resource: &Resource,
        name: &str,
    ) -> Result<(), ApiError> {
        let key = Key::new(resource.storage, "", name);
        loop {
            let current = self.get(resource, "", name)?;
            let mut object = current.value();
            object["spec"]["finalizers"] = json!([]);
            let draft = draft(&resource.stored, &object)?;
            let held = !is_finished(resource, &draft.meta.finalizers, true, &object);
            let expect = Expect::Version(current.version);
            let written = if held {
                self.store.put(key.clone(), expect, draft).await
            } else {
                self.store.remove(key.clone(), expect, draft).await
            };
            match written {
                Ok(_) => return Ok(()),
                Err(WriteError::Changed) => {}
                Err(error) => return Err(ApiError::of_write(error, &resource.kind, name)),
            }
        }
    }

    /// Deletes everything that is selected; returns what was there.
    pub(crate) async fn delete_collection(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &Selector,
        options: &DeleteOptions,
    ) -> Result<Vec<Arc<Stored>>, ApiError> {
        let mut selected = self.store.list(resource.storage, namespace).objects;
        selected.retain(|object| selector.matches(&object.meta));
        let deletions = selected.iter().map(|object| async {
            let meta = &object.meta;
            match self.delete(resource, &meta.namespace, &meta.name, options).await {
                Ok(_) | Err(ApiError::NotFound(_)) => Ok(()),
                Err(error) => Err(error),
            }
        });
        // Together, so that they share commits; the store's queue bounds how many wait.
        futures::future::try_join_all(deletions).await?;
        Ok(selected)
    }
}

fn check_preconditions(
    resource: &Resource,
    current: &Stored,
    options: &DeleteOptions,
) -> Result<(), ApiError> {
    let name = &current.meta.name;
    if let Some(uid) = options.uid.as_ref().filter(|uid| **uid != current.meta.uid) {
        return Err(uid_mismatch(resource, name, uid, &current.meta.uid));
    }
    let version = current.version.to_string();
    if let Some(wanted) = options.version.as_ref().filter(|wanted| **wanted != version) {
        return Err(ApiError::Conflict(
            Box::new(Subject::new(&resource.kind, name)),
            format!(
                "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {version}"
            ),
        ));
    }
    Ok(())
}

fn set_propagation(object: &mut Value, propagation: Propagation) {
    let wanted = match propagation {
        Propagation::Background => return,
        Propagation::Foreground => FOREGROUND,
        Propagation::Orphan => ORPHAN,
    };
    let list = metadata::of(object).entry("finalizers").or_insert_with(|| json!([]));
    if let Value::Array(finalizers) = list {
        finalizers.retain(|known| known == wanted || (known != FOREGROUND && known != ORPHAN));
        if !finalizers.contains(&json!(wanted)) {
            finalizers.push(json!(wanted));
        }
    }
}

/// Marks an object as being deleted.
fn mark(object: &mut Value, counts_generation: bool) {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
    let given = metadata::of(object);
    given.insert("deletionTimestamp".to_owned(), json!(now()));
    given.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
    if counts_generation {
        given.insert("generation".to_owned(), json!(generation));
    }
    if object["kind"] == "Namespace" {
        object["status"]["phase"] = json!("Terminating");
    }
}
