//! What a worker needs to start: that it is still wanted, and its token.

use crds::PlanWorker;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;

use super::PlanWorkers;
use crate::error::{Error, call};

/// Key of the token in its Secret.
const TOKEN_KEY: &str = "token";

/// A worker as the API has it now, and its token.
pub(super) struct Found {
    /// The live object.
    pub(super) worker: PlanWorker,
    /// The one-time token.
    pub(super) token: String,
}

/// Reads both from the API and not from a cache, because starting cannot be undone; none when the
/// worker is not wanted any more, or was already marked as started.
pub(super) async fn dereference(
    workers: &PlanWorkers,
    worker: &PlanWorker,
) -> Result<Option<Found>, Error> {
    let live = call(workers.api().get_opt(&worker.name_any())).await.map_err(Error::Status)?;
    let wanted = |live: &PlanWorker| {
        live.uid() == worker.uid()
            && live.metadata.deletion_timestamp.is_none()
            && live.status.as_ref().is_none_or(|status| status.conditions.is_empty())
    };
    let Some(live) = live.filter(wanted) else {
        return Ok(None);
    };
    let secret = &live.spec.token_secret;
    let secrets: Api<Secret> =
        Api::namespaced(workers.context.client.clone(), &workers.context.namespace);
    let fail = |source| Error::Token { secret: secret.clone(), source };
    let data = call(secrets.get(secret)).await.map_err(|error| fail(Some(error)))?.data;
    let bytes = data.and_then(|mut data| data.remove(TOKEN_KEY)).ok_or_else(|| fail(None))?;
    let token = String::from_utf8(bytes.0).map_err(|_| fail(None))?;
    Ok(Some(Found { worker: live, token }))
}
