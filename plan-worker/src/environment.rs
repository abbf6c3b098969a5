//! What a worker can work with: the registry's devices and the simulated ones, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use channels::PvClient;
use crds::device::Framework;
use crds::resolve::{Catalogue, resolve};
use crds::{Device as DeviceResource, DeviceClass, DeviceSpec};
use kube::Api;
use kube::api::ListParams;
use thiserror::Error;
use tokio::time::timeout;

use crate::devices::{Device, DeviceRef, epics, simulated};

/// Longest wait for one page of the registry.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// Objects in one page: a page stays well below a few megabytes.
const PAGE: u32 = 500;

/// All devices, by the name under which a plan finds them.
#[derive(Clone, Debug, Default)]
pub struct Devices(BTreeMap<String, DeviceRef>);

/// Why the environment could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The API did not answer in time.
    #[error("the list of {kind} did not arrive within {} s", LIST_TIMEOUT.as_secs())]
    Timeout {
        /// Plural of the kind.
        kind: &'static str,
    },
    /// The API refused.
    #[error("the list of {kind} could not be read: {source}")]
    List {
        /// Plural of the kind.
        kind: &'static str,
        /// What the API said.
        source: kube::Error,
    },
}

impl Devices {
    /// The simulated devices.
    pub fn simulated() -> Self {
        Self(simulated::profile().into_iter().collect())
    }

    /// Adds the devices of the registry. A registered device hides a simulated one of its name; an inactive device is left out.
    ///
    /// No PV is searched for here: that happens when a plan first uses the device.
    pub fn register<'a>(
        &mut self,
        specs: impl IntoIterator<Item = &'a DeviceSpec>,
        catalogue: &Catalogue,
        pvs: &Arc<dyn PvClient>,
    ) {
        for spec in specs {
            let class = catalogue.get(&spec.device_class);
            let framework = spec
                .framework
                .or(class.map(|class| class.framework))
                .unwrap_or(Framework::OphydSync);
            let device = epics::device(spec, resolve(spec, catalogue), framework, pvs);
            self.insert(&spec.name, device);
        }
    }

    /// Adds a device under `name`, in place of any other of that name.
    pub fn insert(&mut self, name: impl Into<String>, device: DeviceRef) {
        self.0.insert(name.into(), device);
    }

    /// The device of that name, or the part of a device under its dotted name.
    pub fn get(&self, name: &str) -> Option<DeviceRef> {
        if let Some(device) = self.0.get(name) {
            return Some(Arc::clone(device));
        }
        let (device, part) = name.split_once('.')?;
        let parts = self.0.get(device)?.components();
        parts.into_iter().find(|(path, _)| path == part).map(|(_, device)| device)
    }

    /// All devices in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &dyn Device)> {
        self.0.iter().map(|(name, device)| (name.as_str(), device.as_ref()))
    }

    /// Reads the devices of `namespace`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn load(
        client: &kube::Client,
        namespace: &str,
        pvs: &Arc<dyn PvClient>,
        with_simulated: bool,
    ) -> Result<Self, OpenError> {
        let classes: Vec<DeviceClass> =
            list(Api::namespaced(client.clone(), namespace), "deviceclasses").await?;
        let devices: Vec<DeviceResource> =
            list(Api::namespaced(client.clone(), namespace), "devices").await?;
        let catalogue = Catalogue::new(classes.into_iter().map(|class| class.spec));
        let mut all = if with_simulated { Self::simulated() } else { Self::default() };
        let active = devices.iter().filter(|device| device.is_active());
        all.register(active.map(|device| &device.spec), &catalogue, pvs);
        Ok(all)
    }
}

async fn list<K>(api: Api<K>, kind: &'static str) -> Result<Vec<K>, OpenError>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = timeout(LIST_TIMEOUT, api.list(&params))
            .await
            .map_err(|_| OpenError::Timeout { kind })?
            .map_err(|source| OpenError::List { kind, source })?;
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        all.extend(page.items);
        match next {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
