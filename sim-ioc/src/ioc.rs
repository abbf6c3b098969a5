//! The record database behind the server, as the simulations see it: read a value, post a value,
//! hear of puts.

use std::net::Ipv4Addr;

use epics_base_rs::error::CaError;
use epics_base_rs::server::database::PvDatabase;
use epics_base_rs::server::database::db_access::DbSubscription;
use epics_base_rs::types::EpicsValue;
use futures::stream::{SelectAll, StreamExt as _};

/// Why the simulated beamline could not start or stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken: another IOC runs on this address.
    #[error("Channel Access port {port} on {host} is already in use")]
    PortInUse {
        /// Address asked for.
        host: Ipv4Addr,
        /// Port asked for.
        port: u16,
    },
    /// The socket could not be opened for another reason.
    #[error("failed to listen for Channel Access on {host}:{port}")]
    Listen {
        /// Address asked for.
        host: Ipv4Addr,
        /// Port asked for.
        port: u16,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The record database did not build: a prefix makes an impossible PV name.
    #[error("failed to build the record database")]
    Database(#[source] CaError),
    /// Two families would have the same PVs.
    #[error("the PV prefix {prefix} is given twice")]
    DoubledPrefix {
        /// The prefix.
        prefix: String,
    },
    /// A simulation could not read or post a PV.
    #[error("failed to update PV {pv}")]
    Update {
        /// Name of the PV.
        pv: String,
        /// What the database said.
        #[source]
        source: CaError,
    },
    /// A thread or task that serves ended although nobody asked it to.
    #[error("the simulated beamline stopped: {0}")]
    Stopped(String),
}

/// Handle of one family on the database: every name is the prefix plus a suffix.
#[derive(Clone)]
pub(crate) struct Ioc {
    db: PvDatabase,
    prefix: String,
}

impl Ioc {
    pub(crate) fn new(db: &PvDatabase, prefix: &str) -> Self {
        Self { db: db.clone(), prefix: prefix.to_owned() }
    }

    fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.prefix)
    }

    /// Value of a numeric or enum PV.
    pub(crate) fn number(&self, suffix: &str) -> Result<f64, Error> {
        let pv = self.name(suffix);
        match self.db.get_pv(&pv) {
            Ok(value) => value
                .to_f64()
                .ok_or_else(|| Error::Update { source: CaError::TypeMismatch(pv.clone()), pv }),
            Err(source) => Err(Error::Update { pv, source }),
        }
    }

    /// Stores a value, stamps it and tells the monitors.
    pub(crate) async fn post(&self, suffix: &str, value: EpicsValue) -> Result<(), Error> {
        let pv = self.name(suffix);
        match self.db.put_pv_and_post(&pv, value).await {
            Ok(()) => Ok(()),
            Err(source) => Err(Error::Update { pv, source }),
        }
    }

    pub(crate) async fn post_number(&self, suffix: &str, value: f64) -> Result<(), Error> {
        self.post(suffix, EpicsValue::Double(value)).await
    }

    pub(crate) async fn post_integer(&self, suffix: &str, value: i32) -> Result<(), Error> {
        self.post(suffix, EpicsValue::Long(value)).await
    }

    /// Puts as a client does: the record processes, which completes a put-callback that waits for
    /// it.
    pub(crate) async fn put(&self, suffix: &str, value: EpicsValue) -> Result<(), Error> {
        let pv = self.name(suffix);
        let done = self.db.put_record_field_from_ca_no_notify(&pv, "VAL", value).await;
        match done {
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Update { pv, source }),
        }
    }

    /// Changes of any of the PVs, as the suffix that changed.
    pub(crate) async fn changes(&self, suffixes: &[&'static str]) -> Result<Changes, Error> {
        let mut all = SelectAll::new();
        for &suffix in suffixes {
            let pv = self.name(suffix);
            let Some(subscription) = DbSubscription::subscribe(&self.db, &pv).await else {
                return Err(Error::Update { source: CaError::ChannelNotFound(pv.clone()), pv });
            };
            let stream =
                futures::stream::unfold(subscription, move |mut subscription| async move {
                    subscription.recv().await.map(|_| (suffix, subscription))
                });
            all.push(stream.boxed());
        }
        Ok(all)
    }
}

/// Stream of the suffixes of changed PVs.
pub(crate) type Changes = SelectAll<futures::stream::BoxStream<'static, &'static str>>;
