//! Asking for a lease until it is there.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::held::Held;
use super::{RETRY, Settings, TRY, Tenure};

/// Somebody who asks for a lease. Keep it between two tenures: it remembers what it has seen.
#[derive(Debug)]
pub struct Election {
    leases: Api<Lease>,
    settings: Settings,
    seen: Option<Seen>,
    /// Highest epoch ever seen: a lease that was deleted and made anew does not start from one.
    highest: i32,
}

/// A record of the lease, and when it was first seen from here.
#[derive(Debug)]
struct Seen {
    version: String,
    since: Instant,
}

/// What came of asking.
enum Asked {
    Ours(Box<Held>),
    /// Another holds it, until then unless it is renewed.
    Theirs(String, Instant),
    /// Somebody was faster: look again.
    Changed,
}

type Watch = BoxStream<'static, Result<Option<Lease>, watcher::Error>>;

impl Election {
    /// Somebody who asks for the lease that `settings` name, in `namespace`.
    pub fn new(client: &Client, namespace: &str, settings: Settings) -> Self {
        let leases = Api::namespaced(client.clone(), namespace);
        Self { leases, settings, seen: None, highest: 0 }
    }

    /// The next epoch is above that one: it was used before, under a lease that is lost.
    pub fn skip(&mut self, epoch: i64) {
        self.highest = self.highest.max(i32::try_from(epoch).unwrap_or(i32::MAX - 1));
    }

    /// Waits until the lease is ours. `waiting` is told the holder whenever it was found to be another. Safe to drop at any time;
    /// a lease that was just won then lapses.
    pub async fn win(&mut self, mut waiting: impl FnMut(&str)) -> Held {
        let mut watch = None;
        loop {
            let asked = match timeout(TRY, self.ask()).await {
                Ok(Ok(asked)) => asked,
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.settings.name, %error, "cannot ask for the lease");
                    sleep(RETRY).await;
                    continue;
                }
                Err(_) => {
                    tracing::warn!(lease = self.settings.name, "no answer about the lease in time");
                    sleep(RETRY).await;
                    continue;
                }
            };
            match asked {
                Asked::Ours(held) => return *held,
                Asked::Changed => {}
                Asked::Theirs(holder, until) => {
                    waiting(&holder);
                    let watch = watch.get_or_insert_with(|| {
                        let leases = self.leases.clone();
                        watch_object(leases, &self.settings.name)
                            .backoff(crate::watch::backoff())
                            .boxed()
                    });
                    self.wait(watch, until).await;
                }
            }
        }
    }

    /// Waits until the lease may be free: it lapsed, was given back or deleted.
    async fn wait(&mut self, watch: &mut Watch, mut until: Instant) {
        loop {
            let seen = tokio::select! {
                () = sleep_until(until) => return,
                seen = watch.next() => seen,
            };
            match seen {
                Some(Ok(Some(lease))) if self.is_free(&lease) => return,
                Some(Ok(Some(lease))) => until = self.observe(&lease),
                Some(Ok(None)) | None => return,
                Some(Err(error)) => {
                    tracing::debug!(lease = self.settings.name, %error, "the watch is interrupted");
                }
            }
        }
    }

    /// Notes a record; answers when it lapses.
    fn observe(&mut self, lease: &Lease) -> Instant {
        let version = lease.resource_version().unwrap_or_default();
        let spec = lease.spec.as_ref();
        self.highest =
            self.highest.max(spec.and_then(|spec| spec.lease_transitions).unwrap_or_default());
        let since = match &self.seen {
            Some(seen) if seen.version == version => seen.since,
            _ => {
                let since = Instant::now();
                self.seen = Some(Seen { version, since });
                since
            }
        };
        let declared = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let declared = Duration::from_secs(u64::try_from(declared).unwrap_or_default());
        since + declared.max(self.settings.times.duration)
    }

    /// Whether nobody holds it, or only an earlier life of ours.
    fn is_free(&self, lease: &Lease) -> bool {
        holder(lease).is_none_or(|holder| holder == self.settings.holder)
    }

    async fn ask(&mut self) -> Result<Asked, kube::Error> {
        let name = &self.settings.name.clone();
        let found = self.leases.get_opt(name).await?;
        let mut lease = match found {
            Some(lease) => {
                let until = self.observe(&lease);
                if !self.is_free(&lease) && Instant::now() < until {
                    let holder = holder(&lease).unwrap_or_default().to_owned();
                    return Ok(Asked::Theirs(holder, until));
                }
                lease
            }
            None => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(name.to_owned());
                lease
            }
        };
        let now = MicroTime(Timestamp::now());
        let epoch = self.highest + 1;
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.settings.holder.clone()),
            lease_duration_seconds: i32::try_from(self.settings.times.duration.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(epoch),
            ..LeaseSpec::default()
        });
        let began = Instant::now();
        let params = PostParams::default();
        let written = match lease.metadata.resource_version {
            Some(_) => self.leases.replace(name, &params, &lease).await,
            None => self.leases.create(&params, &lease).await,
        };
        match written {
            Ok(lease) => {
                self.observe(&lease);
                let tenure = Tenure::new(i64::from(epoch), began + self.settings.times.sure);
                let held = Held::new(self.leases.clone(), &self.settings, lease, tenure);
                Ok(Asked::Ours(Box::new(held)))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Asked::Changed),
            Err(error) => Err(error),
        }
    }
}

/// Who holds it.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    Some(holder).filter(|holder| !holder.is_empty())
}
