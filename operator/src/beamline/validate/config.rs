//! What the programs in the pods are told, as environment.

use std::collections::BTreeMap;

use crds::beamline::{Epics, LoadStrategy, Registry, RuntimeEdits, SimIoc};

use crate::beamline::build::names::Component;

/// Of a registry pod.
pub(super) fn registry(registry: &Registry) -> BTreeMap<String, String> {
    let edits = registry.runtime_edits == RuntimeEdits::Allow;
    let mut all = variables([
        ("CONFIG_HOST", "0.0.0.0".to_owned()),
        ("CONFIG_PORT", Component::Registry.port().to_string()),
        ("CONFIG_LOCK_LEASE_TTL_SECONDS", registry.lock_lease_ttl_seconds.to_string()),
        ("CONFIG_RUNTIME_EDITS", edits.to_string()),
    ]);
    // Only what is said, so that nothing is replaced for a default.
    if registry.load_strategy != LoadStrategy::default() {
        let strategy = registry.load_strategy.as_str().to_owned();
        all.insert("CONFIG_LOAD_STRATEGY".to_owned(), strategy);
    }
    if super::profile(registry).is_some() {
        all.insert("CONFIG_PROFILE_PATH".to_owned(), super::PROFILE_PATH.to_owned());
    }
    all
}

/// Of a control pod: which queue server it asks, and EPICS.
pub(super) fn control(
    read_only: bool,
    queue: Option<&str>,
    epics: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = variables([
        ("DIRECT_CONTROL_HOST", "0.0.0.0".to_owned()),
        ("DIRECT_CONTROL_PORT", Component::Control.port().to_string()),
        ("DIRECT_CONTROL_GLOBAL_READ_ONLY", read_only.to_string()),
        ("OAS_HOST", "0.0.0.0".to_owned()),
        ("OAS_PORT", "8001".to_owned()),
    ]);
    if let Some(queue) = queue {
        all.extend(variables([
            ("QSERVER_HTTP_SERVER_HOST", queue.to_owned()),
            ("QSERVER_HTTP_SERVER_PORT", Component::Queue.port().to_string()),
            ("ZMQ_HOST", queue.to_owned()),
            ("ZMQ_PORT", "60625".to_owned()),
        ]));
    }
    all.extend(epics.clone());
    all
}

/// Of a queue pod.
pub(super) fn queue(queue_name: &str) -> BTreeMap<String, String> {
    variables([
        ("QSERVER_HTTP_ADDRESS", "0.0.0.0:60610".to_owned()),
        ("QSERVER_ZMQ_CONTROL_ADDRESS_FOR_SERVER", "tcp://*:60615".to_owned()),
        ("QSERVER_ZMQ_INFO_ADDRESS_FOR_SERVER", "tcp://*:60625".to_owned()),
        ("QSERVER_QUEUE", queue_name.to_owned()),
        // Without a key the API is as open as the other two: no key could be made up that others know.
        ("QSERVER_HTTP_SERVER_OPEN_ACCESS", "true".to_owned()),
    ])
}

/// Seconds until a name server that is away is dialled again; the default of EPICS, 30, is long for a pod that was replaced.
const CONN_TMO: i32 = 5;

/// The `EPICS_CA_*` and `EPICS_PVA_*` environment. A simulated IOC, which speaks Channel Access, is found without a word.
pub(super) fn epics(epics: &Epics, sim_ioc: &SimIoc, beamline: &str) -> BTreeMap<String, String> {
    let port = Component::SimIoc.port();
    let name_servers = if epics.says_nothing() && sim_ioc.enabled {
        format!("{}:{port}", Component::SimIoc.object_name(beamline))
    } else {
        epics.ca_name_servers.join(" ")
    };
    let conn_tmo = epics.conn_tmo.or((!name_servers.is_empty()).then_some(CONN_TMO));
    let yes_or_no = |yes| if yes { "YES" } else { "NO" }.to_owned();
    let mut all = variables([
        ("EPICS_CA_NAME_SERVERS", name_servers),
        ("EPICS_CA_ADDR_LIST", epics.addr_list.join(" ")),
        ("EPICS_CA_AUTO_ADDR_LIST", yes_or_no(epics.auto_addr_list)),
        ("EPICS_PVA_NAME_SERVERS", epics.pva_name_servers.join(" ")),
        ("EPICS_PVA_ADDR_LIST", epics.pva_addr_list.join(" ")),
        ("EPICS_PVA_AUTO_ADDR_LIST", yes_or_no(epics.pva_auto_addr_list)),
    ]);
    let numbers = [
        ("EPICS_CA_SERVER_PORT", epics.server_port),
        ("EPICS_CA_CONN_TMO", conn_tmo),
        ("EPICS_PVA_SERVER_PORT", epics.pva_server_port),
        ("EPICS_PVA_BROADCAST_PORT", epics.pva_broadcast_port),
    ];
    all.extend(
        numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name.to_owned(), number?.to_string()))),
    );
    all
}

/// The same, with logs that a machine can read.
pub(super) fn with_logs(mut config: BTreeMap<String, String>) -> BTreeMap<String, String> {
    config.insert("BEAMLINE_LOG_FORMAT".to_owned(), "json".to_owned());
    config
}

fn variables<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
