//! The note of a reset that was begun: a ConfigMap that is there until it is completed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::registry::Registry;
use crate::store::{FIELD_MANAGER, StoreError, bounded_call};

const NAME: &str = "registry-reset";
const KEY: &str = "note.json";

/// What is to be done. Its size is that of the uids: 1 MiB, the most that an object may have, is 26,000 devices.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) kind: Kind,
    /// When it was asked for.
    pub(super) begun: Timestamp,
    /// Devices that go.
    pub(super) unwanted: BTreeSet<String>,
    /// Devices that follow their manifest again.
    pub(super) switched: BTreeSet<String>,
    /// Of the ConfigMap.
    #[serde(skip)]
    uid: Option<String>,
}

impl Note {
    pub(super) fn new(kind: Kind, unwanted: BTreeSet<String>, switched: BTreeSet<String>) -> Self {
        Self { kind, begun: Timestamp::now(), unwanted, switched, uid: None }
    }

    /// The note of what was begun and is not completed.
    pub(super) async fn read(registry: &Registry) -> Result<Option<Self>, StoreError> {
        let Some(object) = bounded_call(registry.config_maps.get_opt(NAME)).await? else {
            return Ok(None);
        };
        let uid = object.uid();
        let text = object.data.unwrap_or_default().remove(KEY).unwrap_or_default();
        let note: Self = serde_json::from_str(&text).map_err(|error| StoreError::Unreadable {
            what: format!("ConfigMap {NAME}"),
            reason: error.to_string(),
        })?;
        Ok(Some(Self { uid, ..note }))
    }

    /// Stores it. From now on it will be done, whatever happens.
    pub(super) async fn write(&mut self, registry: &Registry) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let object = ConfigMap {
            metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
            data: Some([(KEY.to_owned(), text)].into()),
            ..ConfigMap::default()
        };
        let post =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let stored = bounded_call(registry.config_maps.create(&post, &object)).await;
        match stored {
            Ok(stored) => self.uid = stored.uid(),
            Err(error) if error.is_conflict() => {
                return Err(StoreError::Contended("the registry as a whole"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// It is done.
    pub(super) async fn remove(&self, registry: &Registry) -> Result<(), StoreError> {
        let preconditions = Preconditions { uid: self.uid.clone(), resource_version: None };
        let params = DeleteParams::default().preconditions(preconditions);
        match bounded_call(registry.config_maps.delete(NAME, &params)).await {
            // Another replica was faster.
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}
