//! A lease in our hands: renewed until it is lost, or given back.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::election::holder;
use super::{RETRY, Settings, TRY, Tenure, Times};

/// A lease in our hands. Dropping it ends the tenure; the lease then lapses by itself.
#[derive(Debug)]
pub struct Held {
    leases: Api<Lease>,
    name: String,
    holder: String,
    times: Times,
    /// As last written.
    lease: Lease,
    tenure: Tenure,
    renewed: Instant,
}

/// Why a lease is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It could not be renewed while that was sure to be in time.
    #[error("the lease could not be renewed in time")]
    NotRenewed,
    /// Another holds it.
    #[error("the lease was taken by {0}")]
    Taken(String),
    /// It was deleted.
    #[error("the lease was deleted")]
    Deleted,
}

impl Held {
    pub(super) fn new(
        leases: Api<Lease>,
        settings: &Settings,
        lease: Lease,
        tenure: Tenure,
    ) -> Self {
        let Settings { name, holder, times } = settings.clone();
        metrics::gauge!("lease_held", "lease" => name.clone()).set(1.0);
        // Far below the limit up to which a float counts exactly.
        #[allow(clippy::cast_precision_loss, reason = "leases change hands rarely")]
        metrics::gauge!("lease_epoch", "lease" => name.clone()).set(tenure.epoch() as f64);
        metrics::counter!("lease_acquired_total", "lease" => name.clone()).increment(1);
        Self { leases, name, holder, times, lease, tenure, renewed: Instant::now() }
    }

    /// What those look at who act under the lease.
    pub fn tenure(&self) -> Tenure {
        self.tenure.clone()
    }

    /// Renews the lease until it is lost. Safe to drop.
    pub async fn keep(&mut self) -> Loss {
        let loss = self.renew_until_lost().await;
        self.tenure.lost.cancel();
        tracing::warn!(lease = self.name, %loss, "not the leader any more");
        loss
    }

    async fn renew_until_lost(&mut self) -> Loss {
        let mut next = self.renewed + self.times.period;
        loop {
            let end = *self.tenure.sure_until.lock();
            sleep_until(next.min(end)).await;
            let began = Instant::now();
            if began >= end {
                return Loss::NotRenewed;
            }
            next = began + RETRY;
            match timeout_at(end.min(began + TRY), self.renew()).await {
                Ok(Ok(None)) => {
                    self.renewed = began;
                    self.tenure.extend(began + self.times.sure);
                    next = began + self.times.period;
                }
                Ok(Ok(Some(loss))) => return loss,
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, %error, "cannot renew the lease");
                }
                Err(_) => tracing::warn!(lease = self.name, "the lease was not renewed in time"),
            }
        }
    }

    /// One attempt. An edit by somebody else that leaves the holder alone is no loss.
    async fn renew(&mut self) -> Result<Option<Loss>, kube::Error> {
        match self.write(Some(&self.holder)).await {
            Ok(lease) => self.lease = lease,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Some(Loss::Deleted)),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let Some(lease) = self.leases.get_opt(&self.name).await? else {
                    return Ok(Some(Loss::Deleted));
                };
                let epoch = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
                let ours = holder(&lease) == Some(self.holder.as_str())
                    && epoch.map(i64::from) == Some(self.tenure.epoch());
                if !ours {
                    let holder = holder(&lease).unwrap_or("nobody").to_owned();
                    return Ok(Some(Loss::Taken(holder)));
                }
                self.lease = lease;
                self.lease = self.write(Some(&self.holder)).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Writes the record as it was last seen, with that holder and the time.
    async fn write(&self, holder: Option<&str>) -> Result<Lease, kube::Error> {
        let mut lease = self.lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = holder.map(str::to_owned);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        self.leases.replace(&self.name, &PostParams::default(), &lease).await
    }

    /// Gives the lease back, so that another takes over at once. Nothing is done under it any more before that is written.
    pub async fn release(self) {
        self.tenure.lost.cancel();
        match timeout(TRY, self.write(None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = self.name, %error, "cannot give the lease back");
            }
            Err(_) => tracing::warn!(lease = self.name, "the lease was not given back in time"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tenure.lost.cancel();
        metrics::gauge!("lease_held", "lease" => self.name.clone()).set(0.0);
    }
}
