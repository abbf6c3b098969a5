use channels::NativeType;

use super::*;

fn known() -> RegistryFacts {
    RegistryFacts { available: true, known: true, ..RegistryFacts::default() }
}

fn connected(write_access: bool) -> Connection {
    Connection::Connected(ConnectedInfo {
        native: NativeType::Double,
        max_count: 1,
        read_access: true,
        write_access,
        host: "10.0.0.1:5064".to_owned(),
    })
}

fn diagnosis(connection: Connection, outcomes: &[Outcome]) -> Diagnosis {
    let probe = |outcome: &Outcome| Probe {
        kind: PlaceKind::Address,
        place: "ioc".to_owned(),
        outcome: outcome.clone(),
    };
    Diagnosis {
        search: Search { addresses: vec!["ioc".to_owned()], ..Search::default() },
        connection,
        turns: Turns::default(),
        probes: outcomes.iter().map(probe).collect(),
    }
}

fn by() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5064))
}

fn problems(registry: &RegistryFacts, diagnosis: &Diagnosis) -> Vec<String> {
    let findings = pv("X:1", registry, diagnosis);
    let problems = findings.into_iter().filter(|finding| finding.level == Level::Problem);
    problems.map(|finding| finding.result).collect()
}

#[test]
fn a_pv_that_is_well_has_no_problem() {
    let serves = Outcome::Serves { by: by(), version: Some(13), found_by_search: true };
    let well = diagnosis(connected(true), &[serves, Outcome::Silent]);
    assert_eq!(problems(&known(), &well), Vec::<String>::new());
    let findings = pv("X:1", &known(), &well);
    assert_eq!(summary(&findings, true), "reachable");
}

#[test]
fn a_pv_that_nobody_registered_is_the_first_problem() {
    let unknown = RegistryFacts { known: false, ..known() };
    let findings = pv("X:1", &unknown, &diagnosis(connected(true), &[]));
    assert!(summary(&findings, false).contains("no Device and no ProcessVariable has X:1"));
}

#[test]
fn what_keeps_a_pv_away_is_told_apart() {
    for (outcome, words) in [
        (Outcome::Unresolved("unknown name".to_owned()), "no such host: unknown name"),
        (
            Outcome::Unreachable { reason: "refused".to_owned(), other_protocol: false },
            "not reachable: refused",
        ),
        (Outcome::Stranger { other_protocol: true }, "does not speak Channel Access"),
        (
            Outcome::Advertised { by: by(), reason: "timed out".to_owned() },
            "answers the search, but cannot be connected to",
        ),
        (
            Outcome::Serves { by: by(), version: Some(13), found_by_search: false },
            "no answer to the search, although 10.0.0.1:5064 has the PV",
        ),
    ] {
        let problems = problems(&known(), &diagnosis(Connection::Never, &[outcome]));
        assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:?}");
    }
}

#[test]
fn a_pv_access_server_in_its_place_is_named() {
    let outcome = Outcome::Unreachable { reason: "refused".to_owned(), other_protocol: true };
    let findings = pv("X:1", &known(), &diagnosis(Connection::Never, &[outcome]));
    let advice: Vec<String> = findings.into_iter().filter_map(|finding| finding.advice).collect();
    assert!(advice.iter().any(|advice| advice.contains("PVAccess")), "{advice:?}");
}

#[test]
fn one_name_on_two_servers_is_worth_knowing() {
    let serves = |by| Outcome::Serves { by, version: Some(13), found_by_search: true };
    let other = SocketAddr::from(([10, 0, 0, 2], 5064));
    let twice = diagnosis(connected(true), &[serves(by()), serves(other)]);
    let findings = pv("X:1", &known(), &twice);
    assert!(findings.iter().any(|finding| finding.result.contains("10.0.0.1:5064, 10.0.0.2:5064")));
}

#[test]
fn no_place_to_search_at_is_a_problem() {
    let nowhere = Diagnosis::default();
    let problems = problems(&known(), &nowhere);
    assert!(problems.iter().any(|problem| problem.contains("EPICS_CA_NAME_SERVERS: none")));
}

#[test]
fn missing_write_access_is_no_problem_but_explained() {
    let findings = pv("X:1", &known(), &diagnosis(connected(false), &[]));
    let channel = findings.iter().find(|finding| finding.tried == "channel").unwrap();
    assert_eq!(channel.level, Level::Ok);
    assert!(channel.result.ends_with("may be read, not written") && channel.advice.is_some());
}

#[test]
fn a_device_says_whether_it_is_off_locked_or_not_ready() {
    let well = DeviceFacts {
        name: "m".to_owned(),
        enabled: true,
        locked_by: None,
        ready: Some(true),
        reason: None,
        message: None,
    };
    assert_eq!(device(&well)[0].level, Level::Ok);
    let off = device(&DeviceFacts { enabled: false, ..well.clone() });
    assert!(off[0].level == Level::Problem && off[0].result.contains("switched off"));
    let locked = device(&DeviceFacts { locked_by: Some("scan".to_owned()), ..well.clone() });
    assert!(locked[0].level == Level::Note && locked[0].result.contains("the plan scan holds it"));
    let conflict = DeviceFacts {
        ready: Some(false),
        reason: Some("Conflict".to_owned()),
        message: Some("taken".to_owned()),
        ..well
    };
    assert_eq!(device(&conflict)[0].result, "not ready (Conflict): taken");
}

#[test]
fn the_silent_pvs_of_a_device_are_counted_and_named() {
    assert_eq!(connections(3, &[]).level, Level::Ok);
    let some = connections(3, &["X:1", "X:2"]);
    assert_eq!(some.result, "2 of 3 PVs are not connected: X:1, X:2");
    assert_eq!(connections(0, &[]).level, Level::Problem);
}

#[test]
fn places_of_pv_access_are_told_in_its_words() {
    let search = Search { protocol: Protocol::Pva, ..Search::default() };
    let of =
        |outcome| Diagnosis { search: search.clone(), ..diagnosis(Connection::Never, &[outcome]) };
    let serves = Outcome::Serves { by: by(), version: None, found_by_search: false };
    let findings = pv("X:1", &known(), &of(serves));
    let place = findings.iter().find(|finding| finding.tried.starts_with("address")).unwrap();
    assert!(
        place.result.contains("10.0.0.1:5064 has the PV (asked by TCP, PVAccess)"),
        "{place:?}"
    );
    assert!(place.advice.as_ref().unwrap().contains("`epics.pvaNameServers`"), "{place:?}");
    let findings = pv("X:1", &known(), &of(Outcome::Stranger { other_protocol: true }));
    let place = findings.iter().find(|finding| finding.tried.starts_with("address")).unwrap();
    assert_eq!(place.result, "something listens there that does not speak PVAccess");
    assert!(place.advice.as_ref().unwrap().contains("`ca://`"), "{place:?}");
}
