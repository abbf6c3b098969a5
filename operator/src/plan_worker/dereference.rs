//! What a worker needs to start: that it is still wanted, and its token.

use crds::PlanWorker;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::PlanWorkers;
use super::validate::is_to_be_started;
use crate::error::{Error, call};
use crate::launch::TOKEN_KEY;

/// A worker as the API has it now, and its token.
pub(super) struct Found {
    /// The live object.
    pub(super) worker: PlanWorker,
    /// The one-time token, where the launcher needs it.
    pub(super) token: Option<String>,
}

/// Reads both from the API and not from a cache, because starting cannot be undone; none when the
/// worker is not wanted any more.
pub(super) async fn dereference(
    workers: &PlanWorkers,
    worker: &PlanWorker,
) -> Result<Option<Found>, Error> {
    let api = workers.context.beside::<PlanWorker>(worker);
    let fail = |source| Error::Read { what: "worker", source };
    let live = call(api.get_opt(&worker.name_any())).await.map_err(fail)?;
    let nature = workers.launcher.nature();
    let wanted = |live: &PlanWorker| {
        live.uid() == worker.uid()
            && live.metadata.deletion_timestamp.is_none()
            && is_to_be_started(live, nature)
    };
    let Some(live) = live.filter(wanted) else {
        return Ok(None);
    };
    if !nature.needs_token {
        return Ok(Some(Found { worker: live, token: None }));
    }
    let secret = &live.spec.token_secret;
    let secrets = workers.context.beside::<Secret>(worker);
    let fail = |source| Error::Token { secret: secret.clone(), source };
    let data = call(secrets.get(secret)).await.map_err(|error| fail(Some(error)))?.data;
    let bytes = data.and_then(|mut data| data.remove(TOKEN_KEY)).ok_or_else(|| fail(None))?;
    let token = String::from_utf8(bytes.0).map_err(|_| fail(None))?;
    Ok(Some(Found { worker: live, token: Some(token) }))
}
