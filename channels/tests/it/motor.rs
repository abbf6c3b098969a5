//! A motor of the simulated beamline: a move and what ends it.

use channels::ca::Settings;
use channels::{CaClient, PutMode, PvClient, PvValue, Want};
use sim_ioc::Server;
use tokio_util::sync::CancellationToken;

use crate::checks::{SOON, until};

const MOTOR: &str = "sim:mtr3";

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_move_before_its_target_and_completes_the_write_that_began_it() {
    let settings = sim_ioc::Settings { port: 0, ..sim_ioc::Settings::default() };
    let server = Server::bind(settings).await.unwrap();
    let client = CaClient::new(Settings::loopback(server.port())).await.unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));

    let pv = |field: &str| client.channel(&format!("{MOTOR}{field}"));
    let (setpoint, stop, done) = (pv(""), pv(".STOP"), pv(".DMOV"));
    let readback = pv(".RBV");
    let from = readback.get(Want::Time, SOON).await.unwrap().value.as_f64().unwrap();
    // A minute away.
    let target = 30.0;
    pv(".VELO").put(0.5.into(), PutMode::Completion, SOON).await.unwrap();
    let moving = tokio::spawn(async move {
        setpoint.put(target.into(), PutMode::Completion, SOON).await.map(|()| setpoint)
    });
    let mut position = readback.monitor();
    until(&mut position, |sample| sample.value.as_f64().is_some_and(|at| at > from + 0.1)).await;
    assert!(!moving.is_finished(), "the move ended by itself");

    stop.put(1_i64.into(), PutMode::NoWait, SOON).await.unwrap();
    let setpoint = tokio::time::timeout(SOON, moving).await.unwrap().unwrap().unwrap();
    until(&mut done.monitor(), |sample| sample.value == PvValue::Short(1)).await;
    let at = readback.get(Want::Time, SOON).await.unwrap().value.as_f64().unwrap();
    assert!(at > from && at < target, "it stands at {at}");
    let wanted = setpoint.get(Want::Time, SOON).await.unwrap().value.as_f64().unwrap();
    assert!(wanted < target, "it still wants to {wanted}");

    client.shutdown().await;
    shutdown.cancel();
    tokio::time::timeout(SOON, serving).await.unwrap().unwrap().unwrap();
}
