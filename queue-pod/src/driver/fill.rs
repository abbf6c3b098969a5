//! An empty registry begins with the devices of the profile (contract queue-server §5.6, registry-and-direct-control §3.7).

use crds::resolve::Catalogue;
use crds::{Device, DeviceClass};
use futures::{StreamExt, stream};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use plan_worker::protocol::DeviceRecipe;
use tokio::time::timeout;

use super::store::{DEADLINE, MANAGER, SIDE_BY_SIDE, list_all};
use crate::console::{Console, Level};
use crate::desk::now;
use crate::inventory;

/// Puts the devices of a profile into the registry, unless it has any. The console says what came of it.
///
/// # Errors
/// The first thing that went wrong.
pub(super) async fn fill(
    client: &Client,
    namespace: &str,
    devices: Vec<DeviceRecipe>,
    console: &Console,
) -> Result<(), String> {
    match put(client, namespace, devices).await {
        Ok(None) => Ok(()),
        Ok(Some((stored, errors))) => {
            for error in &errors {
                console.say(now(), Level::Warning, error);
            }
            let said =
                format!("The registry was empty: it has {stored} devices of the profile now");
            console.say(now(), Level::Info, &said);
            errors.into_iter().next().map_or(Ok(()), Err)
        }
        Err(error) => {
            let said = format!("The registry was not filled from the profile: {error}");
            console.say(now(), Level::Warning, &said);
            Err(said)
        }
    }
}

/// How many were stored, and why others were not; `None` when the registry has devices.
async fn put(
    client: &Client,
    namespace: &str,
    devices: Vec<DeviceRecipe>,
) -> Result<Option<(usize, Vec<String>)>, String> {
    let api: Api<Device> = Api::namespaced(client.clone(), namespace);
    let classes: Api<DeviceClass> = Api::namespaced(client.clone(), namespace);
    let late = |_| "the Kubernetes API did not answer in time".to_owned();
    let refused = |error: kube::Error| error.to_string();
    let first = ListParams::default().limit(1);
    let found = timeout(DEADLINE, api.list(&first)).await.map_err(late)?.map_err(refused)?;
    if !found.items.is_empty() {
        return Ok(None);
    }
    let classes = timeout(DEADLINE, list_all(&classes)).await.map_err(late)?.map_err(refused)?;
    let catalogue = Catalogue::new(classes.into_iter().map(|class| class.spec));
    let outcomes: Vec<_> = stream::iter(devices)
        .map(|recipe| {
            let (name, device) = (recipe.name.clone(), inventory::resource(recipe, &catalogue));
            let api = &api;
            async move {
                let params =
                    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
                match timeout(DEADLINE, api.create(&params, &device)).await {
                    Ok(Ok(_)) => Ok(()),
                    // Somebody else has put it there in between.
                    Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(()),
                    Ok(Err(error)) => {
                        Err(format!("Device '{name}' is not in the registry: {error}"))
                    }
                    Err(error) => {
                        Err(format!("Device '{name}' is not in the registry: {}", late(error)))
                    }
                }
            }
        })
        .buffered(SIDE_BY_SIDE)
        .collect()
        .await;
    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    Ok(Some((stored, outcomes.into_iter().filter_map(Result::err).collect())))
}
