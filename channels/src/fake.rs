//! PVs in memory behind the same trait, for tests of what uses PVs: faults that a real IOC does not produce on demand.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use crate::convert::{Target, convert};
use crate::diagnosis::{Diagnosis, Turns};
use crate::feed::Feed;
use crate::{
    Alarm, ConnectedInfo, Connection, Metadata, NativeType, PutMode, PvChannel, PvClient, PvError,
    PvValue, Sample, Want,
};

/// Bytes of a text, as in Channel Access.
const MAX_TEXT: usize = 39;

/// What happens on a put, in place of taking the value; done when the put is complete.
type Hook = Arc<dyn Fn(PvValue) -> BoxFuture<'static, Result<(), PvError>> + Send + Sync>;

/// An IOC in memory. Clones are the same IOC.
///
/// A name that was not added is never found, until it is added.
#[derive(Clone, Default)]
pub struct Fake {
    pvs: Arc<Mutex<HashMap<String, Arc<FakePv>>>>,
}

/// Type, value and description of a PV to add.
#[derive(Clone, Debug)]
pub struct PvSpec {
    /// First value; its type is the PV's.
    pub value: PvValue,
    /// Most elements; 1 for a scalar.
    pub max_count: usize,
    /// Units, limits and labels.
    pub metadata: Metadata,
    /// Whether it may be written.
    pub write_access: bool,
}

impl PvSpec {
    /// A writable PV without description that can have as many elements as its first value.
    pub fn new(value: impl Into<PvValue>) -> Self {
        let value = value.into();
        let max_count = value.count().max(1);
        Self { value, max_count, metadata: Metadata::default(), write_access: true }
    }
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("pvs", &self.pvs.lock().keys()).finish()
    }
}

impl Fake {
    /// An IOC without PVs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves a PV from now on. A PV of that name that is there already is replaced as a restarted IOC would do it.
    pub fn add(&self, name: &str, spec: PvSpec) {
        let pv = self.pv(name);
        pv.feed.disconnected();
        let info = ConnectedInfo {
            native: native_type(&spec.value),
            max_count: spec.max_count,
            read_access: true,
            write_access: spec.write_access,
            host: "fake:0".to_owned(),
        };
        *pv.info.lock() = Some(info.clone());
        pv.feed.describe(spec.metadata);
        pv.feed.connected(info);
        self.post(name, spec.value, Alarm::default(), SystemTime::now());
    }

    /// The IOC sets a value.
    pub fn set(&self, name: &str, value: impl Into<PvValue>) {
        self.post(name, value.into(), Alarm::default(), SystemTime::now());
    }

    /// The IOC sets a value with its alarm and time.
    pub fn post(&self, name: &str, value: PvValue, alarm: Alarm, time: SystemTime) {
        let pv = self.pv(name);
        let array = pv.info.lock().as_ref().is_some_and(|info| info.max_count > 1);
        pv.feed.value(if array { value.into_array() } else { value }, time, alarm);
    }

    /// The IOC changes units, limits or labels.
    pub fn describe(&self, name: &str, metadata: Metadata) {
        self.pv(name).feed.describe(metadata);
    }

    /// The IOC grants other access.
    pub fn set_access(&self, name: &str, read_access: bool, write_access: bool) {
        let pv = self.pv(name);
        if let Some(info) = &mut *pv.info.lock() {
            (info.read_access, info.write_access) = (read_access, write_access);
        }
        pv.feed.access(read_access, write_access);
    }

    /// The IOC of a PV goes away.
    pub fn disconnect(&self, name: &str) {
        self.pv(name).feed.disconnected();
    }

    /// The IOC of a PV comes back with the value that the PV had.
    pub fn reconnect(&self, name: &str) {
        let pv = self.pv(name);
        let info = pv.info.lock().clone();
        if let Some(info) = info {
            pv.feed.connected(info);
        }
    }

    /// From now on a put does this in place of taking the value, and is complete when it is done. The value comes in
    /// the PV's own type; [`Fake::set`] makes it the PV's.
    pub fn on_put<F>(&self, name: &str, hook: impl Fn(PvValue) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), PvError>> + Send + 'static,
    {
        *self.pv(name).hook.lock() = Some(Arc::new(move |value| hook(value).boxed()));
    }

    /// Every value that was put and not refused before it reached the IOC, in order.
    pub fn puts(&self, name: &str) -> Vec<PvValue> {
        self.pv(name).puts.lock().clone()
    }

    fn pv(&self, name: &str) -> Arc<FakePv> {
        self.pvs.lock().entry(name.to_owned()).or_insert_with(|| FakePv::new(name)).clone()
    }
}

#[async_trait]
impl PvClient for Fake {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        self.pv(name)
    }

    /// There is no place to ask.
    async fn diagnose(&self, name: &str) -> Diagnosis {
        let pv = self.pv(name);
        let connection = pv.feed.connection().borrow().clone();
        Diagnosis { connection, turns: pv.feed.turns(), ..Diagnosis::default() }
    }
}

/// One PV of the IOC, which is its channel as well.
struct FakePv {
    feed: Arc<Feed>,
    /// What the IOC serves, connected or not.
    info: Mutex<Option<ConnectedInfo>>,
    hook: Mutex<Option<Hook>>,
    puts: Mutex<Vec<PvValue>>,
}

impl FakePv {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            feed: Arc::new(Feed::new(name.into())),
            info: Mutex::default(),
            hook: Mutex::default(),
            puts: Mutex::default(),
        })
    }

    async fn write(&self, value: PvValue, mode: PutMode) -> Result<(), PvError> {
        let info = self.feed.wait_connected().await?;
        let pv = || self.feed.name().to_owned();
        if !info.write_access {
            return Err(PvError::ReadOnly { pv: pv() });
        }
        let metadata = self.feed.metadata();
        let labels = metadata.as_ref().and_then(|metadata| metadata.enum_labels.as_deref());
        let target = Target {
            native: info.native,
            max_count: info.max_count,
            labels: labels.unwrap_or_default(),
            max_text: MAX_TEXT,
        };
        let value =
            convert(&value, &target).map_err(|reason| PvError::BadValue { pv: pv(), reason })?;
        self.puts.lock().push(value.clone());
        let hook = self.hook.lock().clone();
        match (hook, mode) {
            (None, _) => {
                self.feed.value(value, SystemTime::now(), Alarm::default());
                Ok(())
            }
            (Some(hook), PutMode::Completion) => {
                // Goes on when the caller has given up, as on a real IOC.
                let put = tokio::spawn(hook(value));
                put.await.unwrap_or_else(|error| {
                    Err(PvError::Protocol { pv: pv(), message: error.to_string() })
                })
            }
            (Some(hook), PutMode::NoWait) => {
                tokio::spawn(hook(value));
                Ok(())
            }
        }
    }
}

#[async_trait]
impl PvChannel for FakePv {
    fn name(&self) -> &str {
        self.feed.name()
    }

    fn turns(&self) -> Turns {
        self.feed.turns()
    }

    fn connection(&self) -> watch::Receiver<Connection> {
        self.feed.connection()
    }

    async fn connected(&self, timeout: Duration) -> Result<ConnectedInfo, PvError> {
        self.feed.connected_within(timeout).await
    }

    async fn get(&self, _want: Want, timeout: Duration) -> Result<Sample, PvError> {
        let reading = async {
            self.feed.wait_connected().await?;
            let latest = self.feed.latest().borrow().as_deref().cloned();
            latest.ok_or_else(|| PvError::Disconnected { pv: self.feed.name().to_owned() })
        };
        self.feed.within(timeout, reading).await
    }

    async fn put(&self, value: PvValue, mode: PutMode, timeout: Duration) -> Result<(), PvError> {
        self.feed.within(timeout, self.write(value, mode)).await
    }

    fn monitor(&self) -> watch::Receiver<Option<Arc<Sample>>> {
        self.feed.latest()
    }

    fn updates(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.feed.updates()
    }
}

fn native_type(value: &PvValue) -> NativeType {
    match value {
        PvValue::String(_) | PvValue::StringArray(_) => NativeType::String,
        PvValue::Short(_) | PvValue::ShortArray(_) => NativeType::Short,
        PvValue::Float(_) | PvValue::FloatArray(_) => NativeType::Float,
        PvValue::Enum(_) | PvValue::EnumArray(_) => NativeType::Enum,
        PvValue::Char(_) | PvValue::CharArray(_) => NativeType::Char,
        PvValue::Long(_) | PvValue::LongArray(_) => NativeType::Long,
        PvValue::Double(_) | PvValue::DoubleArray(_) => NativeType::Double,
    }
}
