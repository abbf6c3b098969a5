//! What the protocol library takes from the environment of the process alone: such a check runs in a process of its own.

use std::process::Command;

use channels::ca::Settings;
use channels::{CaClient, PutMode, PvClient, PvValue, Want};

use crate::checks::{SOON, until};
use crate::ioc::Ioc;

const PORT: &str = "CHANNELS_TEST_PORT";
const PROCESS: &str = "CHANNELS_TEST_PROCESS";

/// Runs one ignored test of this module against `ioc`.
fn run_alone(check: &str, ioc: &Ioc, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("environment::{check}"), "--ignored", "--nocapture"])
        .env(PORT, ioc.port().to_string())
        .env(PROCESS, ioc.process_id().to_string())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
    assert!(!errors.contains("CA.Client.Exception"), "{errors}");
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("set by the test that runs this one")
}

fn signal(name: &str) {
    let status = Command::new("kill").args([name, &variable(PROCESS)]).status().unwrap();
    assert!(status.success());
}

#[test]
fn an_ioc_that_hangs_and_goes_on_can_be_written_again() {
    let ioc = Ioc::start("soft.py", &["1"]);
    run_alone("survive_a_hanging_ioc", &ioc, &[("EPICS_CA_CONN_TMO", "2")]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs its environment: run by an_ioc_that_hangs_and_goes_on_can_be_written_again"]
async fn survive_a_hanging_ioc() {
    let settings = Settings::loopback(variable(PORT).parse().unwrap());
    let client = CaClient::new(settings).await.unwrap();
    let pv = client.channel("T:double");
    let mut monitor = pv.monitor();
    until(&mut monitor, |sample| sample.write_access).await;
    signal("-STOP");
    let hanging = until(&mut monitor, |sample| !sample.connected).await;
    assert!(!hanging.write_access);
    signal("-CONT");
    until(&mut monitor, |sample| sample.connected && sample.write_access).await;
    pv.put(2.5.into(), PutMode::Completion, SOON).await.unwrap();
    until(&mut monitor, |sample| sample.value == PvValue::Double(2.5)).await;
}

#[test]
fn a_pv_is_found_through_a_name_server() {
    let ioc = Ioc::start("soft.py", &["1"]);
    let address = format!("127.0.0.1:{}", ioc.port());
    let variables = [
        ("EPICS_CA_NAME_SERVERS", address.as_str()),
        ("EPICS_CA_ADDR_LIST", ""),
        ("EPICS_CA_AUTO_ADDR_LIST", "NO"),
    ];
    run_alone("search_at_a_name_server", &ioc, &variables);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs its environment: run by a_pv_is_found_through_a_name_server"]
async fn search_at_a_name_server() {
    let settings = Settings::from_env().unwrap();
    assert!(settings.search.addresses.is_empty() && !settings.search.auto_addresses);
    let client = CaClient::new(settings).await.unwrap();
    let sample = client.channel("T:double").get(Want::Time, SOON).await.unwrap();
    assert_eq!(sample.value, PvValue::Double(1.5));
}
