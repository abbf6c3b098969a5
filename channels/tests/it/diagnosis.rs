//! What is said about a PV that is there, that is not, and whose place is something else.

use std::net::{Ipv4Addr, SocketAddr};

use channels::ca::{CaClient, Settings};
use channels::diagnosis::{Outcome, PlaceKind, Probe};
use channels::{Connection, Diagnosis, PvClient, PvaClient, pva};
use tokio::net::{TcpListener, UdpSocket};

use crate::checks::{Outage, SOON};
use crate::ioc::Ioc;

const PV: &str = "T:double";

fn at(place: &str) -> Settings {
    let port = place.rsplit_once(':').map_or(5064, |(_, port)| port.parse().unwrap());
    Settings::at(vec![place.to_owned()], port)
}

async fn diagnose(settings: Settings, pv: &str) -> Diagnosis {
    CaClient::new(settings).await.unwrap().diagnose(pv).await
}

fn only(diagnosis: &Diagnosis) -> &Outcome {
    let [Probe { kind: PlaceKind::Address, outcome, .. }] = diagnosis.probes.as_slice() else {
        panic!("{:?}", diagnosis.probes);
    };
    outcome
}

async fn of_an_ioc(mut ioc: Ioc) {
    let client = ioc.client().await;
    let channel = client.channel(PV);
    channel.connected(std::time::Duration::from_secs(20)).await.unwrap();
    let there = client.diagnose(PV).await;
    let by = SocketAddr::from((Ipv4Addr::LOCALHOST, ioc.port()));
    let served = matches!(only(&there), Outcome::Serves { by: at, version, found_by_search: true }
        if *at == by && version.is_some_and(|minor| minor > 8));
    assert!(served, "{there:?}");
    assert!(matches!(there.connection, Connection::Connected(_)));
    assert!(there.turns.connected.is_some() && there.turns.lost.is_none());
    assert_eq!(there.search.addresses, [by.to_string()]);

    let missing = client.diagnose("no:such:pv").await;
    assert!(matches!(only(&missing), Outcome::NoSuchPv { version: Some(9..) }), "{missing:?}");
    assert_eq!(missing.connection, Connection::Never);

    let mut connection = channel.connection();
    ioc.lose();
    connection.wait_for(|state| *state == Connection::Disconnected).await.unwrap();
    let away = client.diagnose(PV).await;
    assert!(matches!(only(&away), Outcome::Unreachable { .. }), "{away:?}");
    assert!(away.turns.lost >= away.turns.connected && away.turns.lost.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caproto_ioc_is_told_from_its_absence() {
    of_an_ioc(Ioc::start("caproto_ioc.py", &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_ioc_is_told_from_its_absence() {
    of_an_ioc(Ioc::start("soft.py", &["1"])).await;
}

#[tokio::test]
async fn a_host_that_does_not_exist_and_a_service_of_another_kind_are_named() {
    let nobody = diagnose(at("no-such-host.invalid:5064"), PV).await;
    assert!(matches!(only(&nobody), Outcome::Unresolved(_)), "{nobody:?}");

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stranger = diagnose(at(&listener.local_addr().unwrap().to_string()), PV).await;
    assert!(matches!(only(&stranger), Outcome::Stranger { .. }), "{stranger:?}");
}

/// An IOC that answers searches with a port at which nothing is: as behind a firewall.
#[tokio::test]
async fn an_ioc_that_answers_and_cannot_be_connected_to_is_named() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = socket.local_addr().unwrap().to_string();
    let closed = peers::free_port();
    let answering = tokio::spawn(async move {
        let mut question = [0; 1024];
        loop {
            let (length, client) = socket.recv_from(&mut question).await.unwrap();
            // A search is the second message; its id is at the end of its header.
            let Some(id) = question[..length].get(28..32) else { continue };
            let mut answer = vec![0, 6, 0, 8];
            answer.extend(closed.to_be_bytes());
            answer.extend([0, 0, 0xff, 0xff, 0xff, 0xff]);
            answer.extend(id);
            answer.extend([0, 13, 0, 0, 0, 0, 0, 0]);
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    let advertised = diagnose(at(&place), PV).await;
    answering.abort();
    let named = matches!(only(&advertised), Outcome::Advertised { by, .. } if by.port() == closed);
    assert!(named, "{advertised:?}");
}

/// What is told of a PVAccess server, asked in that way.
async fn of_a_pva_server(mut ioc: Ioc, settings: pva::Settings, kind: PlaceKind) {
    let client = PvaClient::new(settings).unwrap();
    let outcome = |diagnosis: &Diagnosis| {
        let [probe] = diagnosis.probes.as_slice() else { panic!("{:?}", diagnosis.probes) };
        assert_eq!(probe.kind, kind);
        probe.outcome.clone()
    };
    let by = SocketAddr::from((Ipv4Addr::LOCALHOST, ioc.pva_port()));
    let channel = client.channel(PV);
    channel.connected(SOON).await.unwrap();
    let there = client.diagnose(PV).await;
    let served = Outcome::Serves { by, version: None, found_by_search: true };
    assert_eq!(outcome(&there), served);
    assert!(matches!(there.connection, Connection::Connected(_)));
    let missing = client.diagnose("no:such:pv").await;
    assert_eq!(outcome(&missing), Outcome::NoSuchPv { version: None });
    assert_eq!(missing.connection, Connection::Never);
    ioc.lose();
    let lost = client.diagnose(PV).await;
    assert!(matches!(outcome(&lost), Outcome::Unreachable { .. }), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pva_server_is_told_from_its_absence_by_tcp() {
    let ioc = Ioc::start("p4p_ioc.py", &[]);
    let settings = ioc.pva_settings();
    of_a_pva_server(ioc, settings, PlaceKind::NameServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pva_server_is_told_from_its_absence_by_udp() {
    let ioc = Ioc::start("p4p_ioc.py", &[]);
    let settings = ioc.pva_udp_settings();
    of_a_pva_server(ioc, settings, PlaceKind::Address).await;
}

#[tokio::test]
async fn a_service_that_does_not_speak_pva_is_a_stranger() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let settings = pva::Settings::loopback(listener.local_addr().unwrap().port());
    let stranger = PvaClient::new(settings).unwrap().diagnose(PV).await;
    let [Probe { outcome: Outcome::Stranger { .. }, .. }] = stranger.probes.as_slice() else {
        panic!("{stranger:?}");
    };
}
