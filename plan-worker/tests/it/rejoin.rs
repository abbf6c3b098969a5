//! A worker whose queue server goes away while a plan runs.

use std::sync::Arc;

use channels::Fake;
use plan_worker::WorkerError;
use plan_worker::protocol::{ExitStatus, Order, PauseOption, PlanOutcome, Report};
use serde_json::json;
use tempfile::TempDir;

use crate::queue_side::{Registry, Session, finished};
use crate::recorder::{call, none};

/// A worker that goes on for so many seconds without a queue server.
async fn start(folder: &TempDir, grace_s: u64) -> Session {
    let registry = Registry::of(Vec::new(), Vec::new()).await;
    let mut session = Session::start(folder.path(), registry, Arc::new(Fake::new()), |_| {}).await;
    session.welcome(3, grace_s).await;
    session.ready().await;
    session
}

fn endless() -> Order {
    Order::RunPlan { plan: call("count", json!([["det"]]), json!({"num": null, "delay": 0.01})) }
}

fn running(report: &Report) -> Option<()> {
    matches!(report, Report::ReState { state, .. } if state == "running").then_some(())
}

/// What the worker says it does, and how its last plan ended.
fn doing(report: &Report) -> Option<(Option<String>, Option<PlanOutcome>)> {
    match report {
        Report::Ready { running, ended, .. } => Some((running.clone(), ended.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn it_goes_on_with_the_plan_and_says_so_to_the_next_leader() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder, 30).await;
    session.order(endless()).await;
    session.until(running).await;
    session.reconnect().await;
    let (before, (item, ended)) = session.until(doing).await;
    assert!(matches!(before[..], [Report::Hello { .. }]), "{before:?}");
    assert_eq!((item.as_deref(), ended), (Some("item"), None));
    session.until(running).await;
    session.welcome(4, 30).await;
    session.order(Order::Pause { option: PauseOption::Immediate }).await;
    session
        .until(|report| {
            matches!(report, Report::ReState { state, .. } if state == "paused").then_some(())
        })
        .await;
    session.order(Order::Stop).await;
    let (_, outcome) = session.until(finished).await;
    assert_eq!((outcome.item_uid.as_str(), outcome.exit_status), ("item", ExitStatus::Stopped));
}

#[tokio::test]
async fn how_a_plan_ended_is_said_again_when_nobody_may_have_heard_it() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder, 30).await;
    let (_, outcome) = session.run(call("count", json!([["det"]]), none())).await;
    session.reconnect().await;
    let (_, (running, ended)) = session.until(doing).await;
    assert_eq!((running, ended), (None, Some(outcome)));
}

#[tokio::test]
async fn an_older_leader_does_not_get_it_back() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder, 30).await;
    session.order(endless()).await;
    session.until(running).await;
    session.reconnect().await;
    session.welcome(2, 30).await;
    // It leaves, and looks for another.
    session.reconnect().await;
    session.welcome(5, 30).await;
    let (_, (item, _)) = session.until(doing).await;
    assert_eq!(item.as_deref(), Some("item"));
}

#[tokio::test]
async fn an_item_is_begun_once_whatever_it_is_told() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder, 30).await;
    let plan = call("count", json!([["det"]]), none());
    let (_, outcome) = session.run(plan.clone()).await;
    assert_eq!(outcome.exit_status, ExitStatus::Completed);
    session.order(Order::RunPlan { plan }).await;
    let refused = |report: &Report| match report {
        Report::Refused { message } => Some(message.clone()),
        Report::ReState { state, .. } => {
            assert_eq!(state, "idle", "it was begun again");
            None
        }
        _ => None,
    };
    let (_, why) = session.until(refused).await;
    assert_eq!(why, "item item was begun already");
}

#[tokio::test]
async fn nobody_coming_ends_the_plan_and_the_worker() {
    let folder = TempDir::new().unwrap();
    let mut session = start(&folder, 1).await;
    session.order(endless()).await;
    session.until(running).await;
    let result = session.hang_up().await;
    assert!(matches!(result, Err(WorkerError::Lost)), "{result:?}");
    let days = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let day = days.into_iter().find(|path| path.is_dir()).unwrap();
    let run = std::fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    let documents = std::fs::read_to_string(run).unwrap();
    let last: serde_json::Value = serde_json::from_str(documents.lines().last().unwrap()).unwrap();
    assert_eq!((&last[0], &last[1]["exit_status"]), (&json!("stop"), &json!("abort")));
}
