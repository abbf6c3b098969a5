//! Why a PV or a device is reachable or not, seen from inside this process: what the registry says,
//! where the PV is searched, what each of these places answers, and what to do about it.

mod explain;

use std::time::{Duration, SystemTime};

use channels::diagnosis::{Outcome, PlaceKind, Probe, Search, Turns};
use channels::{ConnectedInfo, Connection};
use crds::conditions::types;
use futures::future::join_all;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gate::Refusal;
use crate::gateway::Gateway;
use crate::registry::view::Trust;
use crate::registry::{KnownDevice, Snapshot};

/// How long the PVs of a device may take to connect.
const CONNECT: Duration = Duration::from_secs(2);
/// Silent PVs of a device that are looked into; the others have most likely the same reason.
const LOOKED_INTO: usize = 3;

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// In the way.
    Problem,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Finding {
    /// How it is meant.
    pub(crate) level: Level,
    /// What was tried.
    pub(crate) tried: String,
    /// What came back.
    pub(crate) result: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

/// A device as the registry has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceFacts {
    /// Ophyd name.
    pub(crate) name: String,
    /// Whether it is switched on.
    pub(crate) enabled: bool,
    /// Plan that holds it.
    pub(crate) locked_by: Option<String>,
    /// What its `Ready` condition says.
    pub(crate) ready: Option<bool>,
    /// Reason of the condition.
    pub(crate) reason: Option<String>,
    /// Sentence of the condition.
    pub(crate) message: Option<String>,
}

/// What the registry knows of a PV.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct RegistryFacts {
    /// Whether it has been read.
    pub(crate) available: bool,
    /// Why it may be out of date.
    pub(crate) outage: Option<String>,
    /// Whether it knows the PV.
    pub(crate) known: bool,
    /// The devices that have the PV.
    pub(crate) devices: Vec<DeviceFacts>,
    /// Whether direct control refuses every write.
    pub(crate) read_only: bool,
}

/// Where PVs are searched.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EpicsFacts {
    name_servers: Vec<String>,
    addresses: Vec<String>,
    auto_addresses: bool,
    server_port: u16,
}

/// The channel of a PV.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChannelFacts {
    /// EPICS name.
    pv_name: String,
    /// `connected`, `lost`, or `never` since this process was asked for it.
    state: &'static str,
    /// Address of the IOC.
    host: Option<String>,
    /// Whether it may be read.
    read_access: bool,
    /// Whether it may be written.
    write_access: bool,
    /// When it last connected.
    last_connected: Option<String>,
    /// When it was last lost.
    last_lost: Option<String>,
}

/// What one place answered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProbeFacts {
    /// `name_server`, `address` or `broadcast`.
    kind: &'static str,
    /// The place as it is configured.
    place: String,
    /// `serves`, `no_such_pv`, `silent`, `unreachable`, `unresolved`, `stranger` or `advertised`.
    outcome: &'static str,
    /// The server that has the PV.
    server: Option<String>,
    /// Its version of Channel Access, such as `4.13`; PVAccess tells none.
    version: Option<String>,
}

/// Why a PV is reachable or not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PvDiagnosis {
    /// EPICS name.
    pub(crate) pv_name: String,
    /// Whether it can be read now.
    pub(crate) reachable: bool,
    /// The whole in a sentence.
    pub(crate) summary: String,
    /// What the registry knows.
    pub(crate) registry: RegistryFacts,
    /// Where it is searched.
    pub(crate) epics: EpicsFacts,
    /// Its channel.
    pub(crate) channel: ChannelFacts,
    /// What each place answered.
    pub(crate) probes: Vec<ProbeFacts>,
    /// What was tried, what came back, what to do.
    pub(crate) findings: Vec<Finding>,
}

/// Why a device is reachable or not.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceDiagnosis {
    /// Ophyd name.
    pub(crate) device_name: String,
    /// Whether all its PVs are connected.
    pub(crate) reachable: bool,
    /// The whole in a sentence.
    pub(crate) summary: String,
    /// What the registry says of the device.
    pub(crate) findings: Vec<Finding>,
    /// Each of its PVs.
    pub(crate) pvs: Vec<ChannelFacts>,
    /// The first silent ones, looked into.
    pub(crate) looked_into: Vec<PvDiagnosis>,
}

/// Looks into one PV.
pub(crate) async fn pv(gateway: &Gateway, name: &str) -> PvDiagnosis {
    let registry = registry_facts(gateway, name);
    let diagnosis = gateway.pvs.diagnose(name).await;
    let findings = explain::pv(name, &registry, &diagnosis);
    let connected = matches!(diagnosis.connection, Connection::Connected(_));
    let reachable = connected && registry.known;
    let summary = explain::summary(&findings, reachable);
    let Search { protocol: _, name_servers, addresses, auto_addresses, server_port } =
        diagnosis.search;
    PvDiagnosis {
        pv_name: name.to_owned(),
        reachable,
        summary,
        registry,
        epics: EpicsFacts { name_servers, addresses, auto_addresses, server_port },
        channel: channel_facts(name, &diagnosis.connection, diagnosis.turns),
        probes: diagnosis.probes.iter().map(probe_facts).collect(),
        findings,
    }
}

/// Looks at every PV of a device, and into the first that are silent.
///
/// # Errors
/// [`Refusal::UnknownDevice`], [`Refusal::RegistryUnavailable`].
pub(crate) async fn device(gateway: &Gateway, name: &str) -> Result<DeviceDiagnosis, Refusal> {
    let snapshot = gateway.registry()?;
    let known = gateway.known_device(name)?;
    let channels: Vec<_> = known.pvs().map(|pv| gateway.pvs.channel(pv)).collect();
    join_all(channels.iter().map(|channel| channel.connected(CONNECT))).await;
    let facts = |channel: &std::sync::Arc<dyn channels::PvChannel>| {
        channel_facts(channel.name(), &channel.connection().borrow(), channel.turns())
    };
    let pvs: Vec<ChannelFacts> = channels.iter().map(facts).collect();
    let silent: Vec<&str> = pvs
        .iter()
        .filter(|channel| channel.state != CONNECTED)
        .map(|channel| channel.pv_name.as_str())
        .collect();
    let looked_into = join_all(silent.iter().take(LOOKED_INTO).map(|name| pv(gateway, name))).await;
    let mut findings = explain::device(&device_facts(gateway, &snapshot, &known));
    findings.push(explain::connections(pvs.len(), &silent));
    let reachable = silent.is_empty() && !pvs.is_empty();
    let summary = explain::summary(&findings, reachable);
    let device_name = name.to_owned();
    Ok(DeviceDiagnosis { device_name, reachable, summary, findings, pvs, looked_into })
}

fn registry_facts(gateway: &Gateway, pv: &str) -> RegistryFacts {
    let outage = match gateway.registry.trust() {
        Trust::Stale { detail, .. } => Some(detail),
        Trust::Loading | Trust::Following => None,
    };
    let read_only = gateway.settings.global_read_only;
    let Ok(snapshot) = gateway.registry() else {
        return RegistryFacts { outage, read_only, ..RegistryFacts::default() };
    };
    let devices = snapshot.devices_of(pv);
    RegistryFacts {
        available: true,
        outage,
        known: snapshot.knows_pv(pv),
        devices: devices.iter().map(|device| device_facts(gateway, &snapshot, device)).collect(),
        read_only,
    }
}

fn device_facts(gateway: &Gateway, snapshot: &Snapshot, device: &KnownDevice) -> DeviceFacts {
    let lock = crds::locking::holder(snapshot.locks(), &device.name, Timestamp::now());
    let ready = gateway.objects.condition(&device.subject, types::READY);
    let ready = ready.as_ref();
    DeviceFacts {
        name: device.name.clone(),
        enabled: device.enabled,
        locked_by: lock.map(|lock| lock.plan_name.clone()),
        ready: ready.map(|ready| ready.status == "True"),
        reason: ready.map(|ready| ready.reason.clone()),
        message: ready.map(|ready| ready.message.clone()),
    }
}

/// State of a channel whose IOC is there.
const CONNECTED: &str = "connected";

fn channel_facts(name: &str, connection: &Connection, turns: Turns) -> ChannelFacts {
    let (state, info) = match connection {
        Connection::Connected(info) => (CONNECTED, Some(info)),
        Connection::Disconnected => ("lost", None),
        Connection::Never => ("never", None),
    };
    ChannelFacts {
        pv_name: name.to_owned(),
        state,
        host: info.map(|info| info.host.clone()),
        read_access: info.is_some_and(|ConnectedInfo { read_access, .. }| *read_access),
        write_access: info.is_some_and(|ConnectedInfo { write_access, .. }| *write_access),
        last_connected: turns.connected.map(time),
        last_lost: turns.lost.map(time),
    }
}

fn probe_facts(probe: &Probe) -> ProbeFacts {
    let (outcome, server, version) = match &probe.outcome {
        Outcome::Unresolved(_) => ("unresolved", None, None),
        Outcome::Unreachable { .. } => ("unreachable", None, None),
        Outcome::Stranger { .. } => ("stranger", None, None),
        Outcome::NoSuchPv { version } => ("no_such_pv", None, *version),
        Outcome::Silent => ("silent", None, None),
        Outcome::Advertised { by, .. } => ("advertised", Some(by.to_string()), None),
        Outcome::Serves { by, version, .. } => ("serves", Some(by.to_string()), *version),
    };
    let kind = match probe.kind {
        PlaceKind::NameServer => "name_server",
        PlaceKind::Address => "address",
        PlaceKind::Broadcast => "broadcast",
    };
    let version = version.map(|minor| format!("4.{minor}"));
    ProbeFacts { kind, place: probe.place.clone(), outcome, server, version }
}

/// UTC, in whole seconds.
fn time(time: SystemTime) -> String {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
