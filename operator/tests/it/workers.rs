//! Plan workers become processes, and processes never outlive them.

use std::path::Path;

use crds::PlanWorker;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::beamline::{Beamline, ready, version};

/// Says what it was given, then waits to be ended.
const PATIENT: &str = "
echo \"$@\" > \"$FOLDER/arguments\"
echo \"$BEAMLINE_WORKER_TOKEN\" > \"$FOLDER/token\"
exec sleep 600";
/// Does not listen to SIGTERM.
const STUBBORN: &str = "
trap '' TERM
echo ready > \"$FOLDER/ready\"
while :; do sleep 0.1; done";

/// A worker, and a publisher that says where it publishes and that it was asked to end.
const PUBLISHED: &str = "
case \"$*\" in
'-m beamline_documents follow') ;;
*) exec sleep 600 ;;
esac
trap 'echo asked > \"$FOLDER/ended\"; exit 0' TERM
echo \"$BEAMLINE_PUBLISH_TILED\" > \"$FOLDER/publishes\"
while :; do sleep 0.1; done";

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: w}
data: {token: b3Blbi1zZXNhbWU=}
";
const WORKER: &str = "
apiVersion: beamline.dev/v1alpha1
kind: PlanWorker
metadata: {name: w}
spec: {queue: main, connectTo: 'ws://127.0.0.1:9/worker/v1', tokenSecret: w, epoch: 4}
";

async fn ask_for_a_worker(beamline: &Beamline) -> PlanWorker {
    beamline.create::<Secret>(SECRET).await;
    beamline.create::<PlanWorker>(WORKER).await
}

fn is(worker: &PlanWorker, status: &str, reason: &str) -> bool {
    let conditions = worker.status.as_ref().map(|status| status.conditions.as_slice());
    ready(conditions.unwrap_or_default()) == Some((status, reason))
}

fn pid(worker: &PlanWorker) -> i32 {
    worker.status.as_ref().unwrap().pid.unwrap()
}

fn exit(worker: &PlanWorker) -> Option<String> {
    worker.status.as_ref().unwrap().exit.clone()
}

fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_worker_is_given_its_address_on_the_command_line_and_its_token_in_the_environment() {
    let mut beamline = Beamline::start(PATIENT).await;
    ask_for_a_worker(&beamline).await;
    let worker = beamline.wait("w", |worker| is(worker, "True", "Running")).await;
    assert_eq!(
        beamline.wait_for_file("arguments").await,
        "worker --connect-to ws://127.0.0.1:9/worker/v1 --epoch 4\n"
    );
    assert_eq!(beamline.wait_for_file("token").await, "open-sesame\n");
    assert!(is_alive(pid(&worker)));
    assert_eq!(exit(&worker), None);
    beamline.stop_operator().await;
}

#[tokio::test]
async fn a_worker_that_publishes_has_a_publisher_as_long_as_it_is_there() {
    let mut beamline = Beamline::start(PUBLISHED).await;
    beamline.create::<Secret>(SECRET).await;
    let publishers = "epoch: 4, publishers: {tiled: {uri: 'http://tiled'}}";
    beamline.create::<PlanWorker>(&WORKER.replace("epoch: 4", publishers)).await;
    assert_eq!(beamline.wait_for_file("publishes").await, "http://tiled\n");
    beamline.delete::<PlanWorker>("w").await;
    assert_eq!(beamline.wait_for_file("ended").await, "asked\n");
    beamline.stop_operator().await;
}

#[tokio::test]
async fn a_deleted_worker_is_gone_only_when_its_process_is() {
    let mut beamline = Beamline::start(PATIENT).await;
    ask_for_a_worker(&beamline).await;
    let worker = beamline.wait("w", |worker| is(worker, "True", "Running")).await;
    beamline.delete::<PlanWorker>("w").await;
    beamline.wait_gone::<PlanWorker>("w").await;
    assert!(!is_alive(pid(&worker)));
    beamline.stop_operator().await;
}

#[tokio::test]
async fn a_worker_that_ignores_sigterm_is_killed_after_its_grace() {
    let mut beamline = Beamline::start(STUBBORN).await;
    ask_for_a_worker(&beamline).await;
    let worker = beamline.wait("w", |worker| is(worker, "True", "Running")).await;
    beamline.wait_for_file("ready").await;
    beamline.delete::<PlanWorker>("w").await;
    beamline.wait_gone::<PlanWorker>("w").await;
    assert!(!is_alive(pid(&worker)));
    beamline.stop_operator().await;
}

#[tokio::test]
async fn the_end_of_a_process_shows_in_the_status_and_it_is_not_started_again() {
    let mut beamline = Beamline::start("echo run >> \"$FOLDER/runs\"; exit 3").await;
    ask_for_a_worker(&beamline).await;
    let worker = beamline.wait("w", |worker| is(worker, "False", "Failed")).await;
    assert_eq!(exit(&worker).as_deref(), Some("exit code 3"));
    beamline.stop_operator().await;
    beamline.start_operator("echo run >> \"$FOLDER/runs\"; exit 3");
    // A second worker is served after the first was looked at again.
    beamline.create::<PlanWorker>(&WORKER.replace("{name: w}", "{name: x}")).await;
    beamline.wait("x", |worker| is(worker, "False", "Failed")).await;
    beamline.stop_operator().await;
    assert_eq!(beamline.wait_for_file("runs").await, "run\nrun\n");
    let again = beamline.api::<PlanWorker>().get("w").await.unwrap();
    assert_eq!(version(&again), version(&worker));
}

#[tokio::test]
async fn the_bluesky_engine_is_another_program_that_is_given_the_profile_and_says_why_it_gave_up() {
    let mut beamline = Beamline::start(
        "[ \"$1\" = bluesky ] || exit 0; echo \"no profile in $BEAMLINE_WORKER_STARTUP_DIR\" >&2; exit 7",
    )
    .await;
    beamline.create::<Secret>(SECRET).await;
    let bluesky = "{queue: main, engine: bluesky, profile: {startupDir: /site}";
    beamline.create::<PlanWorker>(&WORKER.replace("{queue: main", bluesky)).await;
    let worker = beamline.wait("w", |worker| is(worker, "False", "Failed")).await;
    assert_eq!(exit(&worker).as_deref(), Some("exit code 7: no profile in /site"));
    beamline.stop_operator().await;
}

#[tokio::test]
async fn a_worker_that_leaves_by_itself_has_stopped_and_not_failed() {
    let beamline = Beamline::start("exit 0").await;
    ask_for_a_worker(&beamline).await;
    let worker = beamline.wait("w", |worker| is(worker, "False", "Stopped")).await;
    assert_eq!(exit(&worker).as_deref(), Some("exit code 0"));
}

#[tokio::test]
async fn an_operator_that_ends_takes_its_workers_with_it_and_says_so() {
    let mut beamline = Beamline::start(PATIENT).await;
    ask_for_a_worker(&beamline).await;
    let worker = beamline.wait("w", |worker| is(worker, "True", "Running")).await;
    beamline.stop_operator().await;
    assert!(!is_alive(pid(&worker)));
    let worker = beamline.api::<PlanWorker>().get("w").await.unwrap();
    assert_eq!(exit(&worker).as_deref(), Some("signal SIGTERM"));
    beamline.start_operator(PATIENT);
    beamline.delete::<PlanWorker>("w").await;
    beamline.wait_gone::<PlanWorker>("w").await;
}

#[tokio::test]
async fn a_worker_without_its_token_waits_and_starts_when_the_secret_comes() {
    let mut beamline = Beamline::start(PATIENT).await;
    let worker = beamline.create::<PlanWorker>(WORKER).await;
    beamline.wait("w", |worker: &PlanWorker| !worker.finalizers().is_empty()).await;
    assert!(worker.status.is_none());
    beamline.create::<Secret>(SECRET).await;
    beamline.wait("w", |worker| is(worker, "True", "Running")).await;
    beamline.stop_operator().await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_said_once_and_not_tried_again() {
    let mut beamline = Beamline::without_operator(crds::all()).await;
    ask_for_a_worker(&beamline).await;
    let program = operator::Program {
        path: "/nonexistent/beamline".into(),
        args: Vec::new(),
        environment: Default::default(),
    };
    beamline.start_operator_with(operator::Settings::new(program.clone(), program));
    let worker = beamline.wait("w", |worker| is(worker, "False", "Failed")).await;
    let end = exit(&worker).unwrap();
    assert!(end.starts_with("never started: failed to start '/nonexistent/beamline'"), "{end}");
    let message = &worker.status.as_ref().unwrap().conditions[0].message;
    assert!(message.contains("/nonexistent/beamline"), "{message}");
    beamline.stop_operator().await;
    let after = beamline.api::<PlanWorker>().get("w").await.unwrap();
    assert_eq!(version(&after), version(&worker));
}
