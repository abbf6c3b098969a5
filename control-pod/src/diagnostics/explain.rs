//! From facts to sentences: what was tried, what came back, and what to do about it. Pure.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use channels::diagnosis::{Outcome, PlaceKind, Probe, Search, Turns};
use channels::{ConnectedInfo, Connection, Diagnosis, Protocol};

use super::{DeviceFacts, Finding, Level, RegistryFacts, time};

/// Minor version of Channel Access that is spoken here.
const OUR_VERSION: u16 = 13;
/// The oldest minor version that servers of today's clients have.
const OLD_VERSION: u16 = 8;

fn finding(level: Level, tried: impl Into<String>, result: impl Into<String>) -> Finding {
    Finding { level, tried: tried.into(), result: result.into(), advice: None }
}

impl Finding {
    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// The first problem, or that there is none.
pub(super) fn summary(findings: &[Finding], reachable: bool) -> String {
    let problem = findings.iter().find(|finding| finding.level == Level::Problem);
    match problem {
        Some(problem) => problem.result.clone(),
        None if reachable => "reachable".to_owned(),
        None => "not reachable".to_owned(),
    }
}

/// Everything there is to say of a PV.
pub(super) fn pv(name: &str, registry: &RegistryFacts, diagnosis: &Diagnosis) -> Vec<Finding> {
    let mut findings = in_registry(name, registry);
    for known in &registry.devices {
        findings.extend(device(known).into_iter().filter(|finding| finding.level != Level::Ok));
    }
    if registry.read_only {
        let advice = "to write, set DIRECT_CONTROL_GLOBAL_READ_ONLY=false (`control.readOnly` of the Beamline)";
        findings.push(
            finding(Level::Note, "settings", "direct control refuses every write").advise(advice),
        );
    }
    let connected = matches!(diagnosis.connection, Connection::Connected(_));
    findings.push(channel(&diagnosis.connection, diagnosis.turns));
    findings.extend(searched(&diagnosis.search, connected));
    let protocol = diagnosis.search.protocol;
    findings.extend(diagnosis.probes.iter().map(|one| probe(protocol, one, connected)));
    findings.extend(several(&diagnosis.probes));
    findings
}

fn in_registry(name: &str, registry: &RegistryFacts) -> Vec<Finding> {
    let tried = "registry";
    if !registry.available {
        let result = "the registry has not been read yet, so every request is refused";
        let advice = "see the logs of direct control: it cannot read the Kubernetes API";
        return vec![finding(Level::Problem, tried, result).advise(advice)];
    }
    let mut findings = Vec::new();
    if let Some(outage) = &registry.outage {
        let result =
            format!("what is known may be old, the Kubernetes API does not answer: {outage}");
        findings.push(finding(Level::Note, tried, result));
    }
    if !registry.known {
        let result =
            format!("no Device and no ProcessVariable has {name}, so direct control refuses it");
        let advice = "apply a Device that has it, or a ProcessVariable with this `spec.pvName`";
        findings.push(finding(Level::Problem, tried, result).advise(advice));
        return findings;
    }
    let names: Vec<&str> = registry.devices.iter().map(|device| device.name.as_str()).collect();
    let result = match names.as_slice() {
        [] => "known as a ProcessVariable".to_owned(),
        names => format!("belongs to {}", names.join(", ")),
    };
    findings.push(finding(Level::Ok, tried, result));
    findings
}

/// What the registry says of a device.
pub(super) fn device(device: &DeviceFacts) -> Vec<Finding> {
    let DeviceFacts { name, enabled, locked_by, ready, reason, message } = device;
    let tried = format!("device {name}");
    let mut findings = Vec::new();
    if !enabled {
        let advice = format!(
            "PATCH /api/v1/devices/{name}/enable of the registry, or remove the annotation beamline.dev/active of its object"
        );
        let result = "switched off: commands to it are refused";
        findings.push(finding(Level::Problem, tried.clone(), result).advise(advice));
    } else if *ready == Some(false) {
        let (reason, message) =
            (reason.as_deref().unwrap_or("?"), message.as_deref().unwrap_or("?"));
        let result = format!("not ready ({reason}): {message}");
        findings.push(finding(Level::Problem, tried.clone(), result));
    }
    if let Some(plan) = locked_by {
        let result =
            format!("the plan {plan} holds it: writes are refused, reads and stop are not");
        let advice = "wait for the plan, or end it: `beamline re pause`, then `re stop`";
        findings.push(finding(Level::Note, tried.clone(), result).advise(advice));
    }
    if findings.is_empty() {
        findings.push(finding(Level::Ok, tried, "known, switched on, not locked"));
    }
    findings
}

/// How many PVs of a device are there.
pub(super) fn connections(all: usize, silent: &[&str]) -> Finding {
    let tried = "channels";
    match (all, silent) {
        (0, _) => finding(Level::Problem, tried, "the device has no PV").advise(
            "give it a prefix, arguments or `spec.pvs`, or a DeviceClass that describes its class",
        ),
        (_, []) => finding(Level::Ok, tried, format!("all {all} PVs are connected")),
        (_, silent) => {
            let (away, names) = (silent.len(), silent.join(", "));
            finding(
                Level::Problem,
                tried,
                format!("{away} of {all} PVs are not connected: {names}"),
            )
        }
    }
}

fn channel(connection: &Connection, turns: Turns) -> Finding {
    let tried = "channel";
    let when = |moment: Option<std::time::SystemTime>| moment.map_or("?".to_owned(), time);
    match connection {
        Connection::Connected(info) => {
            let ConnectedInfo { native, max_count, read_access, write_access, host } = info;
            let access = match (read_access, write_access) {
                (true, true) => "may be read and written",
                (true, false) => "may be read, not written",
                (false, true) => "may be written, not read",
                (false, false) => "may be neither read nor written",
            };
            let size = match max_count {
                1 => "one value".to_owned(),
                &ConnectedInfo::UNBOUNDED => "an array of any length".to_owned(),
                count => format!("up to {count} values"),
            };
            let result = format!(
                "connected to {host} since {}: {native:?}, {size}, {access}",
                when(turns.connected)
            );
            let level = if *read_access { Level::Ok } else { Level::Problem };
            let found = finding(level, tried, result);
            match *read_access && *write_access {
                true => found,
                false => {
                    found.advise("the access security of the IOC decides this, by host and user")
                }
            }
        }
        Connection::Disconnected => {
            let result = format!(
                "lost at {}, after it had connected at {}; it is being searched",
                when(turns.lost),
                when(turns.connected)
            );
            finding(Level::Problem, tried, result).advise("look whether the IOC runs")
        }
        Connection::Never => finding(
            Level::Problem,
            tried,
            "nobody has answered for it since it was asked for; it is being searched",
        ),
    }
}

/// Setting of a Beamline that names servers to ask by TCP.
fn setting(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Ca => "epics.caNameServers",
        Protocol::Pva => "epics.pvaNameServers",
    }
}

/// What is spoken, in words; the version where it is told.
fn spoken(protocol: Protocol, version: Option<u16>) -> String {
    let name = match protocol {
        Protocol::Ca => "Channel Access",
        Protocol::Pva => "PVAccess",
    };
    version.map_or(name.to_owned(), |minor| format!("{name} 4.{minor}"))
}

fn searched(search: &Search, connected: bool) -> Option<Finding> {
    let Search { protocol, name_servers, addresses, auto_addresses, server_port } = search;
    let variables = match protocol {
        Protocol::Ca => "EPICS_CA",
        Protocol::Pva => "EPICS_PVA",
    };
    let nothing = name_servers.is_empty() && addresses.is_empty() && !auto_addresses;
    let list = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(" ") };
    let auto = if *auto_addresses { "YES" } else { "NO" };
    let result = format!(
        "{variables}_NAME_SERVERS: {}; {variables}_ADDR_LIST: {}; {variables}_AUTO_ADDR_LIST: {auto}; port {server_port}",
        list(name_servers),
        list(addresses),
    );
    let found =
        finding(if nothing { Level::Problem } else { Level::Ok }, "search settings", result);
    if !nothing {
        return Some(found);
    }
    // A process without any place, such as one of PVs in memory, may still have what it was asked for.
    let advice = format!("set `{}` of the Beamline to a gateway or to IOCs", setting(*protocol));
    (!connected).then(|| found.advise(advice))
}

fn probe(protocol: Protocol, probe: &Probe, connected: bool) -> Finding {
    let Probe { kind, place, outcome } = probe;
    let tried = match kind {
        PlaceKind::NameServer => format!("name server {place}, by TCP"),
        PlaceKind::Address => format!("address {place}, by UDP"),
        PlaceKind::Broadcast => format!("broadcast {place}"),
    };
    // One place that has the PV is enough; the others need not.
    let level = if connected { Level::Note } else { Level::Problem };
    let neutral = if connected { Level::Ok } else { Level::Note };
    match outcome {
        Outcome::Serves { by, version, found_by_search: true } => {
            let is_old = version.is_some_and(|minor| minor < OLD_VERSION);
            let old = if is_old { ", which is very old" } else { "" };
            let speaks = spoken(protocol, *version);
            let found =
                finding(Level::Ok, tried, format!("{by} has the PV and speaks {speaks}{old}"));
            if is_old {
                return found.advise(format!("this client speaks 4.{OUR_VERSION}; update the IOC"));
            }
            found
        }
        Outcome::Serves { by, version, found_by_search: false } => {
            let result = format!(
                "no answer to the search, although {by} has the PV (asked by TCP, {})",
                spoken(protocol, *version)
            );
            let advice = format!(
                "the search does not get there and back: put {by} into `{}`, which uses TCP alone",
                setting(protocol)
            );
            finding(level, tried, result).advise(advice)
        }
        Outcome::NoSuchPv { version } => {
            let result = format!(
                "a {} server is there, and says that it has no such PV",
                spoken(protocol, *version)
            );
            finding(neutral, tried, result).advise(
                "look at the spelling and the prefix, and whether its IOC is behind this one",
            )
        }
        Outcome::Silent => finding(neutral, tried, "nobody answered")
            .advise("an IOC there is off, does not have the PV, or the search does not reach it"),
        Outcome::Advertised { by, reason } => {
            let result = format!("{by} answers the search, but cannot be connected to: {reason}");
            let advice = "an IOC that tells an address of its own network, or a firewall or NetworkPolicy before its TCP port";
            finding(level, tried, result).advise(advice)
        }
        Outcome::Unreachable { reason, other_protocol } => {
            let otherwise = "start the IOC or gateway there, or correct the address";
            finding(level, tried, format!("not reachable: {reason}")).advise(instead(
                protocol,
                *other_protocol,
                otherwise,
            ))
        }
        Outcome::Stranger { other_protocol } => {
            let result =
                format!("something listens there that does not speak {}", spoken(protocol, None));
            finding(level, tried, result).advise(instead(
                protocol,
                *other_protocol,
                "correct host and port",
            ))
        }
        Outcome::Unresolved(reason) => finding(level, tried, format!("no such host: {reason}"))
            .advise("correct the name, or give the address"),
    }
}

/// What to do where a server of the other protocol is, if there is one.
fn instead(protocol: Protocol, other_is_there: bool, otherwise: &str) -> String {
    let (other, word) = match protocol {
        Protocol::Ca => (Protocol::Pva, "pva"),
        Protocol::Pva => (Protocol::Ca, "ca"),
    };
    if !other_is_there {
        return otherwise.to_owned();
    }
    let (speaks, scheme) = (spoken(other, None), other.scheme());
    format!(
        "a {speaks} server listens on that host: if it has the PV, declare it with `protocol: {word}`, or ask for it with \
         `{scheme}` before its name"
    )
}

/// A PV that several servers have is read from whichever answers first.
fn several(probes: &[Probe]) -> Option<Finding> {
    let servers: BTreeSet<SocketAddr> = probes
        .iter()
        .filter_map(|probe| match &probe.outcome {
            Outcome::Serves { by, .. } => Some(*by),
            _ => None,
        })
        .collect();
    if servers.len() < 2 {
        return None;
    }
    let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let result = format!("several servers have the PV: {}", names.join(", "));
    let advice = "fine for a gateway and the IOC behind it; otherwise two IOCs share a name";
    Some(finding(Level::Note, "uniqueness", result).advise(advice))
}

#[cfg(test)]
#[path = "explain/tests.rs"]
mod tests;
