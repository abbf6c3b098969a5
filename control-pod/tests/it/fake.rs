//! PVs in memory, for the faults that a real IOC does not produce on demand.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use channels::diagnosis::{Diagnosis, Turns};
use channels::{
    Alarm, ConnectedInfo, Connection, Metadata, NativeType, PutMode, PvChannel, PvClient, PvError,
    PvValue, Sample, Want,
};
use tokio::sync::{Notify, broadcast, watch};

/// What a PV does with a write.
#[derive(Clone, Debug, Default)]
pub(crate) enum OnPut {
    /// Takes it and shows it.
    #[default]
    Accept,
    /// Refuses it.
    Refuse,
    /// Takes it, says nothing, shows nothing, until told to.
    Hold(Arc<Notify>),
}

#[derive(Debug)]
pub(crate) struct FakePv {
    name: String,
    connection: watch::Sender<Connection>,
    latest: watch::Sender<Option<Arc<Sample>>>,
    updates: broadcast::Sender<Arc<Sample>>,
    on_put: Mutex<OnPut>,
    writes: Mutex<Vec<PvValue>>,
}

impl FakePv {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            connection: watch::Sender::new(Connection::Never),
            latest: watch::Sender::new(None),
            updates: broadcast::Sender::new(1024),
            on_put: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// The IOC shows a value.
    pub(crate) fn post(&self, value: PvValue) {
        let metadata = self.latest.borrow().as_ref().and_then(|sample| sample.metadata.clone());
        self.publish(value, metadata, true);
    }

    /// An enum shows its index, whatever was written.
    fn converted(&self, value: PvValue) -> PvValue {
        let Some(latest) = self.latest.borrow().clone() else { return value };
        let labels = latest.metadata.as_ref().and_then(|metadata| metadata.enum_labels.clone());
        match (&latest.value, &value, labels) {
            (PvValue::Enum(_), PvValue::Long(index), _) => {
                PvValue::Enum((*index).try_into().unwrap())
            }
            (PvValue::Enum(_), PvValue::String(text), Some(labels)) => {
                let index = labels.iter().position(|label| label == text).unwrap();
                PvValue::Enum(index.try_into().unwrap())
            }
            _ => value,
        }
    }

    fn publish(&self, value: PvValue, metadata: Option<Arc<Metadata>>, connected: bool) {
        let sample = Arc::new(Sample {
            value,
            time: SystemTime::now(),
            alarm: Alarm::default(),
            connected,
            read_access: connected,
            write_access: connected,
            metadata,
        });
        self.latest.send_replace(Some(Arc::clone(&sample)));
        let _ = self.updates.send(sample);
    }

    /// The IOC dies, or comes back.
    pub(crate) fn set_connected(&self, connected: bool) {
        self.connection.send_replace(if connected { info() } else { Connection::Disconnected });
        let last = self.latest.borrow().clone();
        if let Some(last) = last {
            self.publish(last.value.clone(), last.metadata.clone(), connected);
        }
    }

    pub(crate) fn on_put(&self, on_put: OnPut) {
        *self.on_put.lock().unwrap() = on_put;
    }

    /// Everything that was written so far.
    pub(crate) fn writes(&self) -> Vec<PvValue> {
        self.writes.lock().unwrap().clone()
    }
}

fn info() -> Connection {
    Connection::Connected(ConnectedInfo {
        native: NativeType::Double,
        max_count: 1,
        read_access: true,
        write_access: true,
        host: "fake".to_owned(),
    })
}

#[async_trait]
impl PvChannel for FakePv {
    fn name(&self) -> &str {
        &self.name
    }

    fn turns(&self) -> Turns {
        Turns::default()
    }

    fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    async fn connected(&self, timeout: Duration) -> Result<ConnectedInfo, PvError> {
        let mut connection = self.connection.subscribe();
        let wait = connection.wait_for(|state| matches!(state, Connection::Connected(_)));
        match tokio::time::timeout(timeout, wait).await {
            Ok(Ok(state)) => match &*state {
                Connection::Connected(info) => Ok(info.clone()),
                _ => unreachable!("waited for it"),
            },
            _ => Err(PvError::NotFound { pv: self.name.clone(), timeout }),
        }
    }

    async fn get(&self, _: Want, timeout: Duration) -> Result<Sample, PvError> {
        self.connected(timeout).await?;
        let latest = self.latest.borrow().clone();
        latest
            .map(|sample| (*sample).clone())
            .ok_or(PvError::Timeout { pv: self.name.clone(), timeout })
    }

    async fn put(&self, value: PvValue, mode: PutMode, timeout: Duration) -> Result<(), PvError> {
        self.connected(timeout).await?;
        let on_put = self.on_put.lock().unwrap().clone();
        if let (OnPut::Refuse, PutMode::Completion) = (&on_put, mode) {
            return Err(PvError::Rejected { pv: self.name.clone(), status: 160 });
        }
        self.writes.lock().unwrap().push(value.clone());
        let value = self.converted(value);
        match on_put {
            OnPut::Accept => self.post(value),
            OnPut::Refuse => {}
            OnPut::Hold(go) if mode == PutMode::Completion => {
                let waited = tokio::time::timeout(timeout, go.notified()).await;
                waited.map_err(|_| PvError::Timeout { pv: self.name.clone(), timeout })?;
                self.post(value);
            }
            OnPut::Hold(_) => {}
        }
        Ok(())
    }

    fn monitor(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        self.latest.subscribe()
    }

    fn updates(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.updates.subscribe()
    }
}

/// PVs by name. A name that nobody has added never connects.
#[derive(Debug, Default)]
pub(crate) struct FakePvs(Mutex<HashMap<String, Arc<FakePv>>>);

impl FakePvs {
    fn of(&self, name: &str) -> Arc<FakePv> {
        let mut pvs = self.0.lock().unwrap();
        Arc::clone(pvs.entry(name.to_owned()).or_insert_with(|| Arc::new(FakePv::new(name))))
    }

    /// A connected PV with control limits 0 to 10, millimetres and three decimals.
    pub(crate) fn add(&self, name: &str, value: f64) -> Arc<FakePv> {
        let metadata = Metadata {
            units: Some("mm".to_owned()),
            precision: Some(3),
            control_limits: Some((0.0, 10.0)),
            ..Metadata::default()
        };
        self.add_with(name, PvValue::Double(value), metadata)
    }

    /// A connected PV.
    pub(crate) fn add_with(&self, name: &str, value: PvValue, metadata: Metadata) -> Arc<FakePv> {
        let pv = self.of(name);
        pv.connection.send_replace(info());
        pv.publish(value, Some(Arc::new(metadata)), true);
        pv
    }
}

#[async_trait]
impl PvClient for FakePvs {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        self.of(name)
    }

    async fn diagnose(&self, name: &str) -> Diagnosis {
        let connection = self.of(name).connection.borrow().clone();
        Diagnosis { connection, ..Diagnosis::default() }
    }
}
