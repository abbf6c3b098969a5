//! What every route and socket works on: settings, the registry as known now, and the PVs.

use std::sync::Arc;

use channels::PvClient;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::camera::Cameras;
use crate::declared::Declared;
use crate::device::Used;
use crate::gate::{self, Refusal};
use crate::monitors::Monitors;
use crate::registry::objects::Objects;
use crate::registry::view::Trust;
use crate::registry::{KnownDevice, Snapshot, View};
use crate::settings::Settings;
use crate::socket::Sockets;

/// Direct control of one beamline.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Settings of the process.
    pub(crate) settings: Settings,
    /// The registry as known now.
    pub(crate) registry: View,
    /// The objects behind it as last seen.
    pub(crate) objects: Objects,
    /// The shared monitors.
    pub(crate) monitors: Monitors,
    /// The cameras that somebody looks at.
    pub(crate) cameras: Cameras,
    /// The open sockets.
    pub(crate) sockets: Sockets,
    /// The devices that have been commanded.
    pub(crate) used: Used,
    /// The PVs.
    pub(crate) pvs: Pvs,
    /// Who wrote what.
    pub(crate) audit: Audit,
    /// Room for diagnoses, each of which asks every place where PVs are searched.
    pub(crate) diagnoses: Semaphore,
}

/// Most PVs that the registry does not know and that are monitored all the same: each is searched for on the network.
const MOST_UNKNOWN: usize = 10_000;

/// Diagnoses at a time.
const DIAGNOSES: usize = 4;

/// The PVs, with a `Debug` that says nothing.
#[derive(Clone)]
pub(crate) struct Pvs(Arc<dyn PvClient>);

impl Pvs {
    /// The PVs of `client`.
    pub(crate) fn new(client: Arc<dyn PvClient>) -> Self {
        Self(client)
    }
}

impl std::fmt::Debug for Pvs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pvs")
    }
}

impl std::ops::Deref for Pvs {
    type Target = dyn PvClient;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Gateway {
    /// A gateway that knows nothing of the registry yet.
    pub(crate) fn new(
        settings: Settings,
        registry: View,
        objects: Objects,
        pvs: Arc<dyn PvClient>,
    ) -> Self {
        let pvs: Arc<dyn PvClient> = Arc::new(Declared::new(pvs, registry.clone()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let frame_limit = settings.response_bytesize_limit;
        Self {
            monitors: Monitors::new(Arc::clone(&pvs), frame_limit),
            cameras: Cameras::new(Pvs::new(Arc::clone(&pvs)), threads, frame_limit),
            sockets: Sockets::new(settings.ws_max_connections),
            used: Used::default(),
            pvs: Pvs::new(pvs),
            audit: Audit::new(settings.audit_keep),
            diagnoses: Semaphore::new(DIAGNOSES),
            objects,
            registry,
            settings,
        }
    }

    /// The registry, once it has been read.
    ///
    /// # Errors
    /// [`Refusal::RegistryUnavailable`] before that.
    pub(crate) fn registry(&self) -> Result<Arc<Snapshot>, Refusal> {
        match self.registry.trust() {
            Trust::Loading => Err(Refusal::RegistryUnavailable),
            Trust::Following | Trust::Stale { .. } => Ok(self.registry.snapshot()),
        }
    }

    /// Whether anything may be written at all.
    ///
    /// # Errors
    /// [`Refusal::ReadOnlyMode`].
    pub(crate) fn writes(&self) -> Result<(), Refusal> {
        if self.settings.global_read_only { Err(Refusal::ReadOnlyMode) } else { Ok(()) }
    }

    /// Whether the registry knows the PV.
    ///
    /// # Errors
    /// [`Refusal::UnknownPv`], [`Refusal::RegistryUnavailable`].
    pub(crate) fn known_pv(&self, pv: &str) -> Result<(), Refusal> {
        gate::known_pv(&*self.registry()?, pv)
    }

    /// Whether clients of ophyd-websocket's API may read the PV: the registry knows it, or unknown
    /// ones may be read too, of which there are not too many.
    ///
    /// # Errors
    /// As [`Self::known_pv`], [`Refusal::TooManyUnknown`].
    pub(crate) fn readable_in_oas(&self, pv: &str) -> Result<(), Refusal> {
        if !self.settings.oas.read_unregistered {
            return self.known_pv(pv);
        }
        let registry = self.registry.snapshot();
        if registry.knows_pv(pv)
            || self.monitors.has_room(pv, MOST_UNKNOWN, |pv| registry.knows_pv(pv))
        {
            return Ok(());
        }
        Err(Refusal::TooManyUnknown(pv.to_owned()))
    }

    /// The device, if the registry knows it.
    ///
    /// # Errors
    /// [`Refusal::UnknownDevice`], [`Refusal::RegistryUnavailable`].
    pub(crate) fn known_device(&self, name: &str) -> Result<Arc<KnownDevice>, Refusal> {
        gate::known_device(&*self.registry()?, name).cloned()
    }

    /// Whether the PV may be written now.
    ///
    /// # Errors
    /// [`Refusal::Disabled`], [`Refusal::Locked`], [`Refusal::Unknowable`].
    pub(crate) fn pv_available(&self, pv: &str) -> Result<(), Refusal> {
        self.coordinate(|registry, now| gate::pv_available(registry, pv, now))
    }

    /// Whether no device that has the PV is locked.
    ///
    /// # Errors
    /// [`Refusal::Locked`], [`Refusal::Unknowable`].
    pub(crate) fn pv_unlocked(&self, pv: &str) -> Result<(), Refusal> {
        self.coordinate(|registry, now| gate::pv_unlocked(registry, pv, now))
    }

    /// Whether the device may be commanded now.
    ///
    /// # Errors
    /// [`Refusal::Disabled`], [`Refusal::Locked`], [`Refusal::Unknowable`].
    pub(crate) fn device_available(&self, device: &KnownDevice) -> Result<(), Refusal> {
        self.coordinate(|registry, now| gate::device_available(registry, device, now))
    }

    fn coordinate(
        &self,
        check: impl FnOnce(&Snapshot, Timestamp) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if !self.settings.coordination_check_enabled {
            return Ok(());
        }
        if let Some(detail) = self.registry.outage(self.settings.coordination_timeout) {
            let detail = format!("Cannot reach configuration_service for coordination: {detail}");
            return Err(Refusal::Unknowable(detail));
        }
        check(&*self.registry()?, Timestamp::now())
    }
}
