//! Pause, resume, stop, abort, halt and failure, on plans that the test holds in its hands.

use std::sync::Arc;

use plan_worker::engine::Request;
use plan_worker::engine::hold::Hold;
use plan_worker::engine::message::{Message, RunStatus, Thrown};
use plan_worker::engine::output::State;
use plan_worker::engine::plan::{Messages, Plan};
use plan_worker::environment::Devices;
use plan_worker::plans;
use plan_worker::protocol::{ExitStatus, PauseOption};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use crate::recorder::{Told, Underway, call, carry_out, documents, names, none, unroll, within};
use crate::slow_motor::{SlowMotor, commands};

const IMMEDIATE: Request = Request::Pause(PauseOption::Immediate);
const DEFERRED: Request = Request::Pause(PauseOption::Deferred);

/// `scan` or `rel_scan` of a slow motor over 3 points from 1 to 3 (0 to 2 relative).
fn slow_scan(
    name: &str,
    arrivals: usize,
    refused: Option<f64>,
) -> (Underway, Arc<SlowMotor>, UnboundedReceiver<String>) {
    held_scan(name, arrivals, refused, Hold::never())
}

/// The same, which waits as `hold` says.
fn held_scan(
    name: &str,
    arrivals: usize,
    refused: Option<f64>,
    hold: Hold,
) -> (Underway, Arc<SlowMotor>, UnboundedReceiver<String>) {
    let (motor, told) = SlowMotor::new(arrivals, refused);
    let mut devices = Devices::simulated();
    devices.insert("slow", Arc::clone(&motor) as _);
    let start = if name == "scan" { 1.0 } else { 0.0 };
    let call = call(name, json!([["det"], "slow", start, start + 2.0, 3]), none());
    (Underway::start_held(plans::build(&call, &devices).unwrap(), hold), motor, told)
}

fn events(documents: &[(&'static str, Value)]) -> Vec<(i64, f64)> {
    documents
        .iter()
        .filter(|(name, _)| *name == "event")
        .map(|(_, event)| {
            (event["seq_num"].as_i64().unwrap(), event["data"]["slow"].as_f64().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn an_immediate_pause_stops_the_motor_and_resume_takes_the_point_again() {
    let (mut plan, motor, mut told) = slow_scan("scan", 1, None);
    plan.document("event").await;
    assert_eq!(within(told.recv()).await.unwrap(), "go to 1.0");
    assert_eq!(within(told.recv()).await.unwrap(), "go to 2.0");

    plan.request(IMMEDIATE).await;
    let states = plan.until(State::Paused).await;
    assert!(states.contains(&Told::State(State::Pausing, false)));
    assert_eq!(commands(&mut told), ["stop"]);

    motor.let_arrive(2);
    plan.request(Request::Resume).await;
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
    assert_eq!(commands(&mut told), ["go to 2.0", "go to 3.0"]);
    assert_eq!(events(&documents(rest)), [(2, 2.0), (3, 3.0)]);
}

#[tokio::test]
async fn a_deferred_pause_lets_the_point_be_finished_first() {
    let (mut plan, motor, mut told) = slow_scan("scan", 0, None);
    assert_eq!(within(told.recv()).await.unwrap(), "go to 1.0");
    plan.request(DEFERRED).await;
    loop {
        if plan.told.recv().await.unwrap() == Told::State(State::Running, true) {
            break;
        }
    }
    assert!(commands(&mut told).is_empty(), "nothing is stopped before the checkpoint");

    motor.let_arrive(3);
    let before = plan.until(State::Paused).await;
    assert_eq!(events(&documents(before)), [(1, 1.0)]);
    plan.request(Request::Resume).await;
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
    assert_eq!(events(&documents(rest)), [(2, 2.0), (3, 3.0)]);
}

#[tokio::test]
async fn a_deferred_pause_without_a_further_checkpoint_ends_with_the_plan() {
    let devices = Devices::simulated();
    let plan = plans::build(&call("sleep", json!([0.2]), none()), &devices).unwrap();
    let plan = Underway::start(plan);
    plan.request(DEFERRED).await;
    let (finished, told) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
    assert!(!told.contains(&Told::State(State::Paused, false)));
    assert_eq!(told.last(), Some(&Told::State(State::Idle, false)));
}

/// Pauses a relative scan in its second move, ends it, and tells what came of it.
async fn end_paused(request: Request) -> (ExitStatus, Value, Vec<String>, Vec<Told>) {
    let (mut plan, motor, mut told) = slow_scan("rel_scan", 1, None);
    plan.document("event").await;
    within(async { while told.recv().await.unwrap() != "go to 2.0" {} }).await;
    plan.request(IMMEDIATE).await;
    plan.until(State::Paused).await;
    assert_eq!(commands(&mut told), ["stop"]);
    motor.let_arrive(10);
    plan.request(request).await;
    let (finished, rest) = plan.end().await;
    let entry = &finished.runs[0];
    let documents = documents(rest.clone());
    assert_eq!(names(&documents), ["stop"]);
    let stop = documents[0].1.clone();
    assert_eq!(entry.exit_status.as_deref(), stop["exit_status"].as_str());
    assert!(!entry.is_open);
    assert_eq!(stop["num_events"], json!({"primary": 1}));
    (finished.exit_status, stop, commands(&mut told), rest)
}

#[tokio::test]
async fn stop_ends_the_run_as_a_success_and_brings_the_motor_back() {
    let (exit, stop, commands, told) = end_paused(Request::Stop).await;
    assert_eq!((exit, &stop["exit_status"]), (ExitStatus::Stopped, &json!("success")));
    assert_eq!(commands, ["stop", "go to 1.0", "stop"]);
    assert!(told.contains(&Told::State(State::Stopping, false)));
}

#[tokio::test]
async fn abort_ends_the_run_as_aborted_and_brings_the_motor_back() {
    let (exit, stop, commands, told) = end_paused(Request::Abort("enough".into())).await;
    assert_eq!((exit, &stop["exit_status"]), (ExitStatus::Aborted, &json!("abort")));
    assert_eq!(stop["reason"], "enough");
    assert_eq!(commands, ["stop", "go to 1.0", "stop"]);
    assert!(told.contains(&Told::State(State::Aborting, false)));
}

#[tokio::test]
async fn halt_ends_the_run_at_once_and_moves_nothing() {
    let (exit, stop, commands, told) = end_paused(Request::Halt).await;
    assert_eq!((exit, &stop["exit_status"]), (ExitStatus::Halted, &json!("abort")));
    assert_eq!(commands, ["stop"]);
    assert!(told.contains(&Told::State(State::Halting, false)));
}

#[tokio::test]
async fn abort_stops_a_motor_in_the_middle_of_its_move() {
    let (mut plan, _, mut told) = slow_scan("scan", 1, None);
    plan.document("event").await;
    within(async { while told.recv().await.unwrap() != "go to 2.0" {} }).await;
    plan.request(Request::Abort(String::new())).await;
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Aborted);
    assert_eq!(within(told.recv()).await.unwrap(), "stop");
    assert!(commands(&mut told).iter().all(|command| command == "stop"), "nothing moves after it");
    assert!(events(&documents(rest)).is_empty());
}

#[tokio::test]
async fn a_plan_that_nobody_controls_any_more_is_aborted() {
    let (mut plan, _, mut told) = slow_scan("scan", 1, None);
    plan.document("event").await;
    within(async { while told.recv().await.unwrap() != "go to 2.0" {} }).await;
    let (requests, _) = tokio::sync::mpsc::channel(1);
    drop(std::mem::replace(&mut plan.requests, requests));
    let (finished, _) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Aborted);
    assert_eq!(within(told.recv()).await.unwrap(), "stop");
}

#[tokio::test]
async fn a_failing_motor_fails_the_run_with_its_reason_and_goes_back() {
    let (plan, _, mut told) = slow_scan("rel_scan", 10, Some(2.0));
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Failed);
    assert_eq!(finished.message, "slow was sent to 2.0 and hit a wall");
    assert!(finished.traceback.contains("set slow to 2.0"), "{}", finished.traceback);
    let documents = documents(rest);
    assert_eq!(names(&documents), ["start", "descriptor", "event", "stop"]);
    assert_eq!(documents[3].1["exit_status"], "fail");
    assert_eq!(documents[3].1["reason"], "slow was sent to 2.0 and hit a wall");
    let commands = commands(&mut told);
    assert_eq!(commands, ["go to 1.0", "go to 2.0", "stop", "go to 1.0", "stop"]);
}

#[tokio::test]
async fn a_plan_can_be_paused_again_while_it_catches_up() {
    let (mut plan, motor, mut told) = slow_scan("scan", 1, None);
    plan.document("event").await;
    for _ in 0..3 {
        within(async { while told.recv().await.unwrap() != "go to 2.0" {} }).await;
        plan.request(IMMEDIATE).await;
        plan.until(State::Paused).await;
        plan.request(Request::Resume).await;
    }
    motor.let_arrive(5);
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
    assert_eq!(events(&documents(rest)), [(2, 2.0), (3, 3.0)]);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_change_nothing() {
    let (mut plan, motor, mut told) = slow_scan("scan", 0, None);
    within(told.recv()).await.unwrap();
    plan.request(Request::Resume).await;
    let refused = within(async {
        loop {
            if let Told::Refused(why) = plan.told.recv().await.unwrap() {
                return why;
            }
        }
    });
    assert_eq!(refused.await, "the plan is not paused");
    motor.let_arrive(3);
    let (finished, _) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
    assert!(!commands(&mut told).contains(&"stop".to_owned()), "a motor at rest is left alone");
}

#[tokio::test]
async fn a_move_that_takes_longer_than_its_timeout_fails_and_is_stopped() {
    let (motor, mut told) = SlowMotor::new(0, None);
    let mut devices = Devices::simulated();
    devices.insert("slow", motor);
    let call = call("mv", json!(["slow", 5]), json!({"timeout": 0.05}));
    let (finished, _) = carry_out(&devices, &call).await;
    assert_eq!(finished.exit_status, ExitStatus::Failed);
    assert_eq!(finished.message, "not everything was done within 0.05 s");
    assert_eq!(commands(&mut told)[..2], ["go to 5", "stop"]);
}

/// What can make a plan wait, which is fine now.
fn objections() -> (watch::Sender<Vec<Option<String>>>, Hold) {
    let (objections, receiver) = watch::channel(vec![None, None]);
    (objections, Hold::new(receiver))
}

/// The next reason why the plan waits, or that it does not.
async fn waits(plan: &mut Underway) -> Option<String> {
    loop {
        if let Told::Waits(reason) = within(plan.told.recv()).await.expect("the plan ended") {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_plan_stands_still_while_there_is_an_objection_and_takes_the_point_again() {
    let (objections, hold) = objections();
    let (mut plan, motor, mut told) = held_scan("scan", 1, None, hold);
    plan.document("event").await;
    within(async { while told.recv().await.unwrap() != "go to 2.0" {} }).await;

    objections.send_replace(vec![None, Some("no beam".into())]);
    assert_eq!(waits(&mut plan).await.as_deref(), Some("no beam"));
    assert_eq!(commands(&mut told), ["stop"]);
    objections.send_replace(vec![Some("no water".into()), Some("no beam".into())]);
    assert_eq!(waits(&mut plan).await.as_deref(), Some("no water; no beam"));
    objections.send_replace(vec![None, None]);
    assert_eq!(waits(&mut plan).await, None);

    motor.let_arrive(2);
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
    assert_eq!(commands(&mut told), ["go to 2.0", "go to 3.0"]);
    assert_eq!(events(&documents(rest)), [(2, 2.0), (3, 3.0)]);
}

#[tokio::test]
async fn nothing_moves_before_a_plan_may_begin_and_it_can_be_ended_as_it_waits() {
    let (objections, hold) = objections();
    objections.send_replace(vec![Some("no beam".into()), None]);
    let (mut plan, _, mut told) = held_scan("scan", 3, None, hold);
    assert_eq!(waits(&mut plan).await.as_deref(), Some("no beam"));
    plan.request(Request::Abort(String::new())).await;
    let (finished, rest) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Aborted);
    assert!(documents(rest).is_empty());
    assert!(commands(&mut told).is_empty());
}

#[tokio::test]
async fn a_plan_that_is_paused_as_it_waits_waits_again_when_it_goes_on() {
    let (objections, hold) = objections();
    let (mut plan, motor, _told) = held_scan("scan", 1, None, hold);
    plan.document("event").await;
    objections.send_replace(vec![Some("no beam".into()), None]);
    assert!(waits(&mut plan).await.is_some());
    plan.request(IMMEDIATE).await;
    plan.until(State::Paused).await;
    plan.request(Request::Resume).await;
    assert_eq!(waits(&mut plan).await.as_deref(), Some("no beam"));
    objections.send_replace(vec![None, None]);
    motor.let_arrive(2);
    let (finished, _) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Completed);
}

#[tokio::test]
async fn the_way_back_of_an_aborted_plan_waits_for_nothing() {
    let (objections, hold) = objections();
    let (mut plan, motor, mut told) = held_scan("rel_scan", 1, None, hold);
    plan.document("event").await;
    within(async { while told.recv().await.unwrap() != "go to 2.0" {} }).await;
    objections.send_replace(vec![Some("no beam".into()), None]);
    assert!(waits(&mut plan).await.is_some());
    motor.let_arrive(1);
    plan.request(Request::Abort(String::new())).await;
    let (finished, _) = plan.end().await;
    assert_eq!(finished.exit_status, ExitStatus::Aborted);
    assert!(commands(&mut told).contains(&"go to 1.0".to_owned()), "it went back");
}

async fn bad_run(messages: &Messages) -> Result<(), Thrown> {
    messages.send(Message::OpenRun { metadata: serde_json::Map::new() }).await?;
    messages.send(Message::Create { stream: "primary".into() }).await?;
    messages.send(Message::Checkpoint).await.map(drop)
}

#[tokio::test]
async fn a_run_that_its_plan_leaves_open_is_closed_by_the_engine() {
    let plan = Plan::new("bad", |messages| async move { bad_run(&messages).await });
    let (finished, rest) = Underway::start(plan).end().await;
    assert_eq!(finished.exit_status, ExitStatus::Failed);
    let documents = documents(rest);
    assert_eq!(names(&documents), ["start", "stop"]);
    assert_eq!(documents[0].1["plan_name"], "bad");
    assert_eq!(documents[1].1["reason"], "a checkpoint cannot be within an event");
    assert_eq!(RunStatus::Fail.as_str(), documents[1].1["exit_status"]);
}

#[tokio::test]
async fn a_plan_is_messages_and_nothing_else() {
    let devices = Devices::simulated();
    let call = call("rel_scan", json!([["det"], "motor", -1, 1, 2]), none());
    let plan = plans::build(&call, &devices).unwrap();
    let messages = unroll(plan, json!(10)).await;
    let summary: Vec<String> = messages.iter().map(Message::summary).collect();
    let point = |position: &str| {
        vec![
            "checkpoint".to_owned(),
            format!("set motor to {position}"),
            "wait".into(),
            "trigger det".into(),
            "trigger motor".into(),
            "wait".into(),
            "create primary".into(),
            "read det".into(),
            "read motor".into(),
            "save".into(),
        ]
    };
    let mut first = point("9.0");
    first.insert(1, "locate motor".into());
    let begin = ["stage det", "stage motor", "open_run"].map(ToOwned::to_owned).to_vec();
    let end = ["close_run success", "unstage motor", "unstage det", "set motor to 10", "wait"]
        .map(ToOwned::to_owned)
        .to_vec();
    assert_eq!(summary, [begin, first, point("11.0"), end].concat());
    assert_eq!(devices.get("motor").unwrap().position().await.unwrap(), json!(0));
}

#[tokio::test]
async fn a_stream_keeps_to_the_devices_of_its_first_event() {
    let devices = Devices::simulated();
    let (det, motor) = (devices.get("det").unwrap(), devices.get("motor").unwrap());
    let plan = Plan::new("two streams in one", move |messages| async move {
        messages.send(Message::OpenRun { metadata: serde_json::Map::new() }).await?;
        for device in [&det, &motor] {
            messages.send(Message::Create { stream: "primary".into() }).await?;
            messages.send(Message::Read(Arc::clone(device))).await?;
            messages.send(Message::Save).await?;
        }
        Ok(())
    });
    let (finished, rest) = Underway::start(plan).end().await;
    assert_eq!(finished.exit_status, ExitStatus::Failed);
    assert_eq!(finished.message, "stream primary consists of det, but the event has motor");
    assert_eq!(names(&documents(rest)), ["start", "descriptor", "event", "stop"]);
}
