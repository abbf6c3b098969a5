//! The collector: finishes deletions. It removes dependents of owners that are gone, lets go of orphans, and empties
//! namespaces that are being deleted.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::delete::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
use crate::api::update::Wanted;
use crate::api::{Api, Part, Resource, WriteOptions, metadata};
use crate::error::ApiError;
use crate::kinds::NAMESPACES;
use crate::store::index::Key;
use crate::store::object::Stored;

/// Objects looked at together, so that their writes share commits.
const CONCURRENCY: usize = 64;
/// Pause after a failed round, so that a full disk is not hammered.
const RETRY: Duration = Duration::from_secs(1);

/// Works until told to stop.
pub(crate) async fn run(api: Arc<Api>, stop: CancellationToken) {
    loop {
        let suspects = tokio::select! {
            suspects = api.store.suspects() => suspects,
            () = stop.cancelled() => return,
        };
        let failed: Vec<Key> = stream::iter(suspects)
            .map(|key| examine_or_keep(&api, key))
            .buffer_unordered(CONCURRENCY)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if !failed.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = stop.cancelled() => return,
            }
            failed.into_iter().for_each(|key| api.store.suspect(key));
        }
    }
}

/// Gives the object back if it has to be looked at again.
async fn examine_or_keep(api: &Api, key: Key) -> Option<Key> {
    match examine(api, &key).await {
        Ok(()) | Err(ApiError::NotFound(_) | ApiError::Closed) => None,
        Err(error) => {
            tracing::warn!(name = key.name(), %error, "cannot finish a deletion, will retry");
            Some(key)
        }
    }
}

async fn examine(api: &Api, key: &Key) -> Result<(), ApiError> {
    let (Some(object), Some(resource)) = (api.store.get(key), api.resource_at(key.resource)) else {
        return Ok(());
    };
    if key.resource == NAMESPACES && object.meta.deleting {
        return empty_namespace(api, &resource, &object).await;
    }
    if object.meta.deleting {
        return finish(api, &resource, &object).await;
    }
    check_owners(api, &resource, &object).await
}

fn options() -> WriteOptions {
    WriteOptions { manager: "garbage-collector".to_owned(), ..WriteOptions::default() }
}

/// An object without any of its owners goes too; one that has lost some forgets those.
async fn check_owners(api: &Api, resource: &Resource, object: &Stored) -> Result<(), ApiError> {
    let lost = |uid: &str| {
        // An owner lives in the same namespace or in none.
        api.store.owner(uid).is_none_or(|owner| {
            !owner.meta.namespace.is_empty() && owner.meta.namespace != object.meta.namespace
        })
    };
    let gone: Vec<&String> = object.meta.owners.iter().filter(|uid| lost(uid)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    if gone.len() == object.meta.owners.len() {
        return delete(api, resource, object, Propagation::Background).await;
    }
    forget_owners(api, resource, object, &|uid| gone.iter().any(|gone| *gone == uid)).await
}

async fn delete(
    api: &Api,
    resource: &Resource,
    object: &Stored,
    propagation: Propagation,
) -> Result<(), ApiError> {
    let options =
        DeleteOptions { uid: Some(object.meta.uid.clone()), propagation, ..Default::default() };
    match api.delete(resource, &object.meta.namespace, &object.meta.name, &options).await {
        // Another object has taken the name; that one is not ours to delete.
        Ok(_) | Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn change(
    api: &Api,
    resource: &Resource,
    object: &Stored,
    edit: &(dyn Fn(&mut Value) + Send + Sync),
) -> Result<(), ApiError> {
    let uid = object.meta.uid.clone();
    let edited = move |old: &Value| {
        let mut new = old.clone();
        if old["metadata"]["uid"] == json!(uid) {
            edit(&mut new);
        }
        Ok(Wanted { object: new, owned: None })
    };
    let meta = &object.meta;
    api.update(resource, &meta.namespace, &meta.name, Part::Main, &options(), &edited).await?;
    Ok(())
}

async fn forget_owners(
    api: &Api,
    resource: &Resource,
    object: &Stored,
    gone: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Result<(), ApiError> {
    change(api, resource, object, &|object| {
        let given = metadata::of(object);
        if let Some(Value::Array(owners)) = given.get_mut("ownerReferences") {
            owners.retain(|owner| !owner["uid"].as_str().is_some_and(gone));
            if owners.is_empty() {
                given.shift_remove("ownerReferences");
            }
        }
    })
    .await
}

/// Takes the steps that an object's own finalizers `orphan` and `foregroundDeletion` stand for.
async fn finish(api: &Api, resource: &Resource, object: &Stored) -> Result<(), ApiError> {
    let has = |finalizer: &str| object.meta.finalizers.iter().any(|known| known == finalizer);
    let dependents = api.store.dependents(&object.meta.uid);
    if has(ORPHAN) {
        for key in &dependents {
            if let (Some(dependent), Some(kind)) =
                (api.store.get(key), api.resource_at(key.resource))
            {
                forget_owners(api, &kind, &dependent, &|uid| uid == object.meta.uid).await?;
            }
        }
        return drop_finalizer(api, resource, object, ORPHAN).await;
    }
    if has(FOREGROUND) {
        let mut waiting = false;
        for key in &dependents {
            if let (Some(dependent), Some(kind)) =
                (api.store.get(key), api.resource_at(key.resource))
            {
                waiting |= blocks(&dependent, &object.meta.uid);
                delete(api, &kind, &dependent, Propagation::Foreground).await?;
            }
        }
        let left = api.store.dependents(&object.meta.uid);
        if !waiting || left.is_empty() {
            return drop_finalizer(api, resource, object, FOREGROUND).await;
        }
    }
    Ok(())
}

/// Whether the owner waits for this dependent.
fn blocks(dependent: &Stored, owner: &str) -> bool {
    let object = dependent.value();
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners
        .into_iter()
        .flatten()
        .any(|reference| reference["uid"] == owner && reference["blockOwnerDeletion"] == true)
}

async fn drop_finalizer(
    api: &Api,
    resource: &Resource,
    object: &Stored,
    finalizer: &str,
) -> Result<(), ApiError> {
    change(api, resource, object, &|object| {
        if let Some(Value::Array(list)) = metadata::of(object).get_mut("finalizers") {
            list.retain(|known| known != finalizer);
        }
    })
    .await
}

/// Deletes what is in a namespace; the namespace goes when nothing is left in it.
async fn empty_namespace(api: &Api, resource: &Resource, object: &Stored) -> Result<(), ApiError> {
    let name = &object.meta.name;
    let mut left = 0;
    for storage in 0..api.catalogue.kinds().count() {
        let Some(kind) = api.resource_at(storage) else { continue };
        if !kind.kind.namespaced {
            continue;
        }
        stream::iter(api.store.list(storage, Some(name)).objects)
            .map(Ok)
            .try_for_each_concurrent(CONCURRENCY, |inside| {
                let kind = &kind;
                async move { delete(api, kind, &inside, Propagation::Background).await }
            })
            .await?;
        left += api.store.list(storage, Some(name)).objects.len();
    }
    if left > 0 {
        return Ok(());
    }
    api.finalize_namespace(resource, name).await
}
