//! A whole worker over a real WebSocket.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use channels::Fake;
use plan_worker::WorkerError;
use plan_worker::protocol::{Command, ExitStatus, Order, PauseOption, Report};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use crate::python;
use crate::queue_side::{Registry, Session, documents, finished};
use crate::recorder::{call, none, within};

async fn start(folder: &TempDir) -> Session {
    let registry = Registry::of(Vec::new(), Vec::new()).await;
    Session::start(folder.path(), registry, Arc::new(Fake::new()), |_| {}).await
}

/// The documents of all runs in a folder, by run uid.
fn kept(folder: &Path, uid: &str) -> Vec<Value> {
    let days = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let day = days.into_iter().find(|path| path.is_dir()).unwrap();
    let name = day.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(name.len(), "2026-11-21".len(), "{name}");
    let lines = std::fs::read_to_string(day.join(format!("{uid}.jsonl"))).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_queue_server_that_cannot_be_reached_at_first_is_tried_again() {
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let before_it = format!("ws://{}", gate.local_addr().unwrap());
    let (tell, server) = oneshot::channel();
    let relay = AbortOnDropHandle::new(tokio::spawn(async move {
        let (first, _) = gate.accept().await.unwrap();
        // What a network says that refuses: a reset.
        first.set_zero_linger().unwrap();
        drop(first);
        let (mut second, _) = gate.accept().await.unwrap();
        let server: String = server.await.unwrap();
        let mut onward = TcpStream::connect(server).await.unwrap();
        let _ = copy_bidirectional(&mut second, &mut onward).await;
    }));
    let (folder, registry) = (TempDir::new().unwrap(), Registry::of(Vec::new(), Vec::new()).await);
    let mut session = Session::start(folder.path(), registry, Arc::new(Fake::new()), |settings| {
        tell.send(settings.connect_to.trim_start_matches("ws://").to_owned()).unwrap();
        settings.connect_to = before_it;
    })
    .await;
    session.ready().await;
    drop(relay);
}

#[tokio::test]
async fn a_plan_is_run_reported_in_order_and_kept_on_disk() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder).await;
    assert!(session.authorization.starts_with("Bearer once "), "{}", session.authorization);
    let (plans, devices) = session.ready().await;
    assert!(plans["scan"]["parameters"].is_array());
    assert_eq!(devices["motor"]["is_movable"], true);

    let mut scan = call("scan", json!([["det"], "motor", -1, 1, 3]), none());
    scan.meta.insert("sample".into(), json!("Si"));
    let (reports, outcome) = session.run(scan).await;
    assert_eq!(outcome.exit_status, ExitStatus::Completed);
    assert_eq!((outcome.item_uid.as_str(), outcome.message.as_str()), ("item", ""));
    assert_eq!(outcome.scan_ids, [1]);
    let sent = documents(&reports);
    let names: Vec<_> = sent.iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "descriptor", "event", "event", "event", "stop"]);
    assert_eq!(sent[0][1]["sample"], "Si");
    assert_eq!(sent[0][1]["uid"], json!(outcome.run_uids[0]));
    assert_eq!(kept(folder.path(), &outcome.run_uids[0]), sent);

    let states: Vec<&str> = reports
        .iter()
        .filter_map(|report| match report {
            Report::ReState { state, .. } => Some(state.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(states, ["idle", "running", "idle"]);
    let open: Vec<Vec<bool>> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Runs { runs } => Some(runs.iter().map(|run| run.is_open).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(open, [[true], [false]]);

    session.order(Order::Close).await;
    let (last, result) = session.end().await;
    assert_eq!(last, [Report::Runs { runs: Vec::new() }, Report::Closing]);
    result.unwrap();

    let mut session = start(&folder).await;
    session.ready().await;
    let (_, outcome) = session.run(call("count", json!([["det"]]), none())).await;
    assert_eq!(outcome.scan_ids, [2], "scan ids go on after a restart");
}

#[tokio::test]
async fn a_call_that_makes_no_plan_fails_at_once_and_says_why() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder).await;
    session.ready().await;
    for (call, reason) in [
        (call("count", json!([["nope"]]), none()), "\"nope\" is not a device of this environment"),
        (call("count", json!([]), none()), "missing a required argument: 'detectors'"),
        (call("dance", json!([]), none()), "Plan 'dance' is not in the list of plans"),
        (call("tweak", json!([]), none()), "it asks somebody at a terminal"),
        (call("mv", json!(["det", 1]), none()), "device 'det' cannot be moved"),
        (call("count", json!([["det"]]), json!({"per_shot": "f"})), "'per_shot' takes a Python"),
        (call("scan", json!([["det"], "motor", 0, 1]), none()), "Parameter 'num' is missing"),
        (call("mv", json!(["motor", "far"]), none()), "Plan failed: motor cannot be set to"),
    ] {
        let (reports, outcome) = session.run(call).await;
        assert_eq!(outcome.exit_status, ExitStatus::Failed);
        assert!(outcome.message.starts_with("Plan failed: "), "{}", outcome.message);
        assert!(outcome.message.contains(reason), "{} is not {reason}", outcome.message);
        assert!(!outcome.traceback.is_empty());
        assert!(outcome.run_uids.is_empty());
        assert!(documents(&reports).is_empty());
    }
}

#[tokio::test]
async fn a_command_of_an_older_lease_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder).await;
    session.ready().await;
    let plan = call("mv", json!(["motor", 3]), none());
    let old = Command { epoch: 2, order: Order::RunPlan { plan: plan.clone() } };
    session.send(&old).await;
    let refused = |report: &Report| match report {
        Report::Refused { message } => Some(message.clone()),
        _ => None,
    };
    let (_, why) = session.until(refused).await;
    assert_eq!(why, "the command is of lease epoch 2, but 3 is known");

    session.send(&Command { epoch: 5, order: Order::RunPlan { plan: plan.clone() } }).await;
    let (_, outcome) = session.until(finished).await;
    assert_eq!(outcome.exit_status, ExitStatus::Completed);
    session.send(&Command { epoch: 4, order: Order::Close }).await;
    let (between, _) = session.until(refused).await;
    assert!(!between.contains(&Report::Closing));
}

#[tokio::test]
async fn pause_resume_and_abort_travel_over_the_wire() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder).await;
    session.ready().await;
    let endless = call("count", json!([["det"]]), json!({"num": null, "delay": 0.01}));
    session.order(Order::RunPlan { plan: endless }).await;
    let state = |wanted: &'static str| {
        move |report: &Report| {
            matches!(report, Report::ReState { state, .. } if state == wanted).then_some(())
        }
    };
    session
        .until(|report| (!documents(std::slice::from_ref(report)).is_empty()).then_some(()))
        .await;
    session.order(Order::Pause { option: PauseOption::Deferred }).await;
    session.until(state("paused")).await;
    session.order(Order::Close).await;
    let (_, why) = session
        .until(|report| match report {
            Report::CloseRefused { message } => Some(message.clone()),
            _ => None,
        })
        .await;
    assert_eq!(why, "the worker cannot leave while a plan is running");
    session.order(Order::Resume).await;
    session.until(state("running")).await;
    session.order(Order::Pause { option: PauseOption::Immediate }).await;
    session.until(state("paused")).await;
    session.order(Order::Abort).await;
    let (reports, outcome) = session.until(finished).await;
    assert_eq!((outcome.exit_status, outcome.message.as_str()), (ExitStatus::Aborted, ""));
    let stop = documents(&reports).pop().unwrap();
    assert_eq!((&stop[0], &stop[1]["exit_status"]), (&json!("stop"), &json!("abort")));
}

#[tokio::test]
async fn a_lost_connection_aborts_the_plan_and_keeps_its_documents() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder).await;
    session.ready().await;
    let endless = call("count", json!([["det"]]), json!({"num": null, "delay": 0.01}));
    session.order(Order::RunPlan { plan: endless }).await;
    let (_, uid) = session
        .until(|report| match report {
            Report::Document { name, doc } if name == "start" => {
                doc["uid"].as_str().map(str::to_owned)
            }
            _ => None,
        })
        .await;
    let result = session.hang_up().await;
    assert!(matches!(result, Err(WorkerError::Lost)), "{result:?}");
    let kept = kept(folder.path(), &uid);
    let stop = kept.last().unwrap();
    assert_eq!((&stop[0], &stop[1]["exit_status"]), (&json!("stop"), &json!("abort")));
    assert_eq!(stop[1]["reason"], "the connection to the queue server was lost");
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_aborts_its_plan_and_says_goodbye() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder).await;
    session.ready().await;
    let endless = call("count", json!([["det"]]), json!({"num": null, "delay": 0.01}));
    session.order(Order::RunPlan { plan: endless }).await;
    session
        .until(|report| (!documents(std::slice::from_ref(report)).is_empty()).then_some(()))
        .await;
    session.shutdown.cancel();
    let (reports, result) = session.end().await;
    result.unwrap();
    let outcome = reports.iter().find_map(finished).unwrap();
    assert_eq!(outcome.exit_status, ExitStatus::Aborted);
    assert_eq!(documents(&reports).last().unwrap()[1]["exit_status"], "abort");
    assert_eq!(reports.last(), Some(&Report::Closing));
}

#[tokio::test]
async fn only_active_devices_of_the_registry_are_in_the_environment_and_no_ioc_is_needed() {
    let class = json!({
        "classPath": "ophyd.signal.EpicsSignal", "aliases": ["ophyd.EpicsSignal"],
        "framework": "ophyd-sync", "deviceLabel": "signal", "behaviour": "Signal",
        "capabilities": {"movable": true, "readable": true},
        "components": [{"name": "readback", "suffix": "", "kind": "hinted"}],
    });
    let device = |name: &str, active: bool| {
        json!({"name": name, "deviceClass": "ophyd.EpicsSignal", "prefix": format!("off:{name}"),
            "active": active})
    };
    let devices = vec![device("current", true), device("old", false)];
    let registry = Registry::of(devices, vec![class]).await;
    let (registry, stop) = registry.over_http().await;
    let _stop = stop.drop_guard();
    let folder = TempDir::new().unwrap();
    let mut session = Session::start(folder.path(), registry, Arc::new(Fake::new()), |settings| {
        settings.no_simulated_devices = true;
    })
    .await;
    let (_, devices) = session.ready().await;
    let expected = json!({"current": {"classname": "EpicsSignal", "module": "ophyd",
        "is_readable": true, "is_movable": true, "is_flyable": false}});
    assert_eq!(devices, expected);

    let (reports, outcome) = session.run(call("count", json!([["current"]]), none())).await;
    assert_eq!(outcome.exit_status, ExitStatus::Failed);
    assert_eq!(
        outcome.message,
        "Plan failed: current: off:current could not connect within 5-second timeout."
    );
    let stop = documents(&reports).pop().unwrap();
    assert_eq!(stop[1]["exit_status"], "fail");
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_is_reported_and_ends_the_worker() {
    let folder = TempDir::new().unwrap();
    let session =
        Session::start(folder.path(), Registry::strange(), Arc::new(Fake::new()), |_| {}).await;
    let (reports, result) = session.end().await;
    assert!(matches!(result, Err(WorkerError::Open(_))), "{result:?}");
    let Some(Report::OpenFailed { message }) = reports.last() else { panic!("{reports:?}") };
    assert!(message.contains("the list of deviceclasses could not be read"), "{message}");
}

#[tokio::test]
async fn a_damaged_scan_id_file_is_named_instead_of_counting_from_one_again() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("scan_id"), "many\n").unwrap();
    let (reports, result) = start(&folder).await.end().await;
    result.unwrap_err();
    let Some(Report::OpenFailed { message }) = reports.last() else { panic!("{reports:?}") };
    assert!(message.contains("scan_id: not a scan id: \"many\\n\""), "{message}");
}

#[tokio::test]
async fn blueskys_remote_dispatcher_reads_the_published_documents() {
    let Some(python) = peers::python() else { return };
    // A port that was free a moment ago: the subscriber has to know it before the worker binds it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut listener = tokio::process::Command::new(python)
        .arg(python::script("remote_dispatcher.py"))
        .arg(format!("127.0.0.1:{port}"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();

    let folder = TempDir::new().unwrap();
    let registry = Registry::of(Vec::new(), Vec::new()).await;
    let mut session = Session::start(folder.path(), registry, Arc::new(Fake::new()), |settings| {
        settings.documents_address = Some(format!("tcp://127.0.0.1:{port}"));
    })
    .await;
    session.ready().await;

    // 0MQ forgets what is published before a subscriber is there: publish until one run has arrived as a whole.
    let plan = call("count", json!([["det", "sig"], 2]), none());
    let mut sent = Vec::new();
    let heard: Value = within(async {
        loop {
            let (reports, _) = session.run(plan.clone()).await;
            sent.push(json!(documents(&reports)));
            let line = tokio::time::timeout(Duration::from_millis(300), lines.next_line()).await;
            if let Ok(line) = line {
                return serde_json::from_str(&line.unwrap().unwrap()).unwrap();
            }
        }
    })
    .await;
    assert_eq!(heard.as_array().unwrap().len(), 5);
    assert!(sent.contains(&heard), "{heard}");
}
