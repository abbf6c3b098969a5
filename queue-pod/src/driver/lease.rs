//! The lease of the queue. Each server that takes it counts it up; workers refuse commands under an older count.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

/// Pause between attempts while the API does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes the lease and answers its new count.
///
/// # Errors
/// When shutdown was asked for before the API answered.
pub(super) async fn take(
    client: &Client,
    namespace: &str,
    queue: &str,
    shutdown: &CancellationToken,
) -> Result<i64, kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let name = format!("queue-{queue}");
    loop {
        let error = match count_up(&leases, &name).await {
            Ok(count) => return Ok(count),
            Err(error) => error,
        };
        tracing::warn!(%error, "cannot take the lease of the queue");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.cancelled() => return Err(error),
        }
    }
}

/// One attempt; a conflict with somebody else's attempt is an error like any other.
async fn count_up(leases: &Api<Lease>, name: &str) -> Result<i64, kube::Error> {
    let holder = Some(format!("queue-pod-{}", std::process::id()));
    let Some(mut lease) = leases.get_opt(name).await? else {
        let mut lease = Lease::default();
        lease.metadata.name = Some(name.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: holder,
            lease_transitions: Some(1),
            ..LeaseSpec::default()
        });
        leases.create(&PostParams::default(), &lease).await?;
        return Ok(1);
    };
    let spec = lease.spec.get_or_insert_default();
    let count = spec.lease_transitions.unwrap_or_default() + 1;
    spec.lease_transitions = Some(count);
    spec.holder_identity = holder;
    leases.replace(name, &PostParams::default(), &lease).await?;
    Ok(i64::from(count))
}
