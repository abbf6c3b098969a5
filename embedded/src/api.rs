//! The verbs of the Kubernetes API over the store, free of HTTP.

pub(crate) mod admit;
pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod list;
pub(crate) mod metadata;
pub(crate) mod selector;
pub(crate) mod update;

use std::sync::Arc;

use serde_json::Value;

use crate::error::ApiError;
use crate::kinds::{Catalogue, EVENTS, Kind, NAMESPACES};
use crate::store::Store;
use crate::store::index::Key;
use crate::store::object::Stored;

/// The API of one machine.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) catalogue: Catalogue,
    pub(crate) lists: list::OpenLists,
}

/// A resource as one request sees it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// The kind in the request.
    pub(crate) kind: Arc<Kind>,
    /// The kind whose objects are stored: another one only for `events.k8s.io`, a second form of core events.
    pub(crate) stored: Arc<Kind>,
    /// Where they are stored.
    pub(crate) storage: usize,
}

impl Resource {
    /// The stored form of an object of the requested kind.
    pub(crate) fn store_form(&self, object: Value) -> Value {
        if self.is_other_form() { events::to_core(object) } else { object }
    }

    /// The requested form of a stored object.
    pub(crate) fn show(&self, object: Value) -> Value {
        if self.is_other_form() { events::from_core(object) } else { object }
    }

    /// Whether stored objects have to be converted before they are shown.
    pub(crate) fn is_other_form(&self) -> bool {
        !Arc::ptr_eq(&self.kind, &self.stored)
    }
}

/// What a request says about how a write is to be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteOptions {
    /// Check everything, store nothing.
    pub(crate) dry_run: bool,
    /// What happens to fields that the schema does not know.
    pub(crate) unknown: Unknown,
    /// Who writes, for `managedFields`.
    pub(crate) manager: String,
}

/// `fieldValidation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unknown {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but the status, where the status is a part of its own.
    #[default]
    Main,
    Status,
}

/// An object that was written, or would have been, with what the client should be told.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Arc<Stored>,
    pub(crate) warnings: Vec<String>,
    pub(crate) created: bool,
}

impl Api {
    /// The resource of that group, version and plural name.
    pub(crate) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Resource> {
        let requested = self.catalogue.find(group, version, plural)?;
        let storage = if group == "events.k8s.io" { EVENTS } else { requested };
        Some(Resource {
            kind: self.catalogue.get(requested)?.clone(),
            stored: self.catalogue.get(storage)?.clone(),
            storage,
        })
    }

    /// The resource at that position of the catalogue.
    pub(crate) fn resource_at(&self, storage: usize) -> Option<Resource> {
        let kind = self.catalogue.get(storage)?.clone();
        Some(Resource { stored: kind.clone(), kind, storage })
    }

    pub(crate) fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Stored>, ApiError> {
        let key = Key::new(resource.storage, namespace, name);
        self.store.get(&key).ok_or_else(|| ApiError::not_found(&resource.kind, name))
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<Stored>> {
        self.store.get(&Key::new(NAMESPACES, "", name))
    }
}
