//! The IPython kernel of the worker, as the manager sees it: no start without it, and no idle manager that keeps it from its users.

use plan_worker::protocol::{ExitStatus, KernelConnection, KernelKey, KernelPhase, Order, Report};
use queue_pod::methods::{Method, Reply};
use queue_pod::status::status;
use queue_pod::view::View;
use serde_json::{Map, Value, json};

use crate::simulation::Simulation;

fn kernel(phase: KernelPhase, captured: bool) -> Report {
    Report::Kernel { phase, captured }
}

fn free() -> Report {
    kernel(KernelPhase::Idle, false)
}

fn ours() -> Report {
    kernel(KernelPhase::Busy, true)
}

fn taken() -> Report {
    kernel(KernelPhase::Busy, false)
}

fn re_state(state: &str) -> Report {
    Report::ReState { state: state.to_owned(), deferred_pause_requested: false }
}

/// An open environment with a kernel, and an item that waits.
fn open() -> Simulation {
    let mut simulation = Simulation::new();
    simulation.say(free());
    let added = simulation.call("queue_item_add", json!({"item": item()}));
    assert_eq!(added.unwrap()["success"], true);
    simulation.orders.clear();
    simulation
}

fn item() -> Value {
    json!({"item_type": "plan", "name": "p"})
}

/// The worker keeps the kernel for what was asked for.
fn grant(simulation: &mut Simulation) -> Option<Reply> {
    assert_eq!(simulation.orders.pop(), Some(Order::ReserveKernel));
    simulation.say(ours());
    simulation.say(Report::KernelReserved { error: None });
    simulation.answered()
}

/// What clients see of the kernel.
fn seen(simulation: &Simulation) -> [Value; 4] {
    let status = status(&simulation.state);
    ["manager_state", "worker_environment_state", "ip_kernel_state", "ip_kernel_captured"]
        .map(|key| status[key].clone())
}

fn text(reply: Option<Reply>) -> String {
    reply.unwrap()["msg"].as_str().unwrap().to_owned()
}

#[test]
fn the_queue_starts_with_the_kernel_and_is_idle_when_users_have_it_back() {
    let mut simulation = open();
    assert_eq!(seen(&simulation), [json!("idle"), json!("idle"), json!("idle"), json!(false)]);
    assert_eq!(simulation.call("queue_start", json!({})), None, "it waits for the kernel");
    assert_eq!(grant(&mut simulation).unwrap()["success"], true);
    assert_eq!(simulation.ran.len(), 1);
    let executing = ["executing_queue", "executing_plan", "busy"].map(Value::from);
    assert_eq!(seen(&simulation)[..3], executing);
    simulation.say(re_state("running"));
    simulation.finish(ExitStatus::Completed);
    assert_eq!(simulation.orders, [Order::ReleaseKernel]);
    let reserved = ["executing_queue", "reserved", "busy"].map(Value::from);
    assert_eq!(seen(&simulation)[..3], reserved);
    simulation.say(free());
    assert_eq!(seen(&simulation), [json!("idle"), json!("idle"), json!("idle"), json!(false)]);
    assert_eq!(simulation.ended().len(), 1);
}

#[test]
fn nothing_starts_while_a_user_works() {
    let mut simulation = open();
    simulation.say(taken());
    let busy = "IPython kernel (RE Worker) is busy.";
    assert_eq!(text(simulation.call("queue_start", json!({}))), busy);
    let execute = simulation.call("queue_item_execute", json!({"item": item()}));
    assert_eq!(text(execute), format!("Failed to start execution of the item: {busy}"));
    let script = simulation.call("script_upload", json!({"script": ""}));
    assert_eq!(text(script), format!("Error: Failed to start the task: {busy}"));
    let close = simulation.call("environment_close", json!({}));
    assert_eq!(text(close), "Worker IPython kernel is busy");
    assert_eq!(simulation.orders, []);
    let beside = json!({"script": "", "run_in_background": true});
    assert_eq!(simulation.call("script_upload", beside).unwrap()["success"], true);
    simulation.call("queue_autostart", json!({"enable": true}));
    assert!(simulation.ran.is_empty());
    simulation.say(free());
    assert_eq!(simulation.ran.len(), 1, "autostart goes on as soon as the user is done");
}

#[test]
fn a_user_who_was_faster_is_a_reason() {
    let mut simulation = open();
    for (method, params) in [
        ("queue_start", json!({})),
        ("queue_item_execute", json!({"item": item()})),
        ("script_upload", json!({"script": ""})),
    ] {
        assert_eq!(simulation.call(method, params), None);
        assert_eq!(simulation.orders.pop(), Some(Order::ReserveKernel));
        simulation.say(Report::KernelReserved { error: Some("Timeout".to_owned()) });
        let why = text(simulation.answered());
        assert!(why.ends_with("Failed to capture IPython kernel: Timeout"), "{method}: {why}");
    }
    assert!(simulation.ran.is_empty());
    assert_eq!(seen(&simulation)[0], "idle");
    simulation.call("queue_start", json!({}));
    simulation.lose_worker();
    assert!(text(simulation.answered()).contains("environment does not exist"));
}

#[test]
fn a_paused_plan_is_in_the_hands_of_users_until_the_manager_goes_on() {
    let mut simulation = open();
    simulation.call("queue_start", json!({}));
    grant(&mut simulation);
    simulation.say(re_state("running"));
    simulation.say(re_state("paused"));
    assert_eq!(seen(&simulation)[0], "executing_queue", "the kernel is still ours");
    simulation.say(free());
    assert_eq!(seen(&simulation), [json!("paused"), json!("idle"), json!("idle"), json!(false)]);
    simulation.say(taken());
    assert_eq!(
        text(simulation.call("re_resume", json!({}))),
        "Error: IPython kernel (RE Worker) is busy."
    );
    simulation.say(re_state("running"));
    assert_eq!(seen(&simulation), [json!("paused"), json!("idle"), json!("busy"), json!(false)]);
    simulation.say(re_state("paused"));
    simulation.say(free());
    assert_eq!(simulation.call("re_resume", json!({})), None);
    assert_eq!(grant(&mut simulation).unwrap()["success"], true);
    assert_eq!(simulation.orders, [Order::Resume]);
    assert_eq!(seen(&simulation)[0], "executing_queue");
}

#[test]
fn the_queue_does_not_go_on_behind_a_plan_that_a_user_ended() {
    let mut simulation = open();
    simulation.call("queue_item_add", json!({"item": item()}));
    simulation.call("queue_start", json!({}));
    grant(&mut simulation);
    simulation.say(re_state("paused"));
    simulation.say(free());
    simulation.finish(ExitStatus::Unknown);
    assert_eq!(seen(&simulation)[0], "idle");
    assert_eq!((simulation.ran.len(), simulation.queued().len()), (1, 1));
    let record = simulation.state.history.back().unwrap();
    assert_eq!(record.result.exit_status, "unknown");
    simulation.call("queue_autostart", json!({"enable": true}));
    assert_eq!(simulation.ran.len(), 2);
    simulation.finish(ExitStatus::Unknown);
    assert!(simulation.state.settings.autostart, "autostart stays on");
}

#[test]
fn a_kernel_is_interrupted_as_far_as_it_is_allowed() {
    let why = |text: &str| format!("Failed to interrupt IPython kernel: {text}");
    let mut plain = Simulation::new();
    let refused = plain.call("kernel_interrupt", json!({}));
    assert_eq!(text(refused), why("RE Manager is not in IPython mode: IPython kernel is not used"));
    let test = plain.call("manager_test", json!({"test_name": "reserve_kernel"}));
    assert_eq!(text(test), "Error: IPython kernel mode is not enabled");

    let mut simulation = open();
    assert_eq!(simulation.call("kernel_interrupt", json!({})).unwrap()["success"], true);
    let order =
        |interrupt_task, interrupt_plan| Order::InterruptKernel { interrupt_task, interrupt_plan };
    assert_eq!(simulation.orders.pop(), Some(order(false, false)));
    simulation.call("queue_start", json!({}));
    grant(&mut simulation);
    let refused = simulation.call("kernel_interrupt", json!({"interrupt_task": true}));
    assert_eq!(text(refused), why("Not allowed to interrupt running plan"));
    simulation.call("kernel_interrupt", json!({"interrupt_plan": true}));
    assert_eq!(simulation.orders.pop(), Some(order(false, true)));
    simulation.finish(ExitStatus::Completed);
    simulation.say(free());
    simulation.call("script_upload", json!({"script": ""}));
    simulation.orders.retain(|order| *order == Order::ReserveKernel);
    grant(&mut simulation);
    let refused = simulation.call("kernel_interrupt", json!({"interrupt_plan": true}));
    assert_eq!(text(refused), why("Not allowed to interrupt running task"));
}

#[test]
fn a_worker_that_stays_has_its_environment_open() {
    let mut simulation = open();
    simulation.call("environment_close", json!({}));
    assert_eq!(seen(&simulation)[0], "closing_environment");
    simulation.say(Report::CloseRefused { message: "busy".to_owned() });
    assert_eq!(seen(&simulation)[..2], ["idle", "idle"].map(Value::from));
    assert_eq!(status(&simulation.state)["worker_environment_exists"], true);
}

#[test]
fn where_users_connect_is_asked_for_and_not_shown_around() {
    let mut simulation = open();
    simulation.say(Report::KernelConnection(KernelConnection {
        transport: "tcp".to_owned(),
        ip: "127.0.0.1".to_owned(),
        shell_port: 1,
        iopub_port: 2,
        stdin_port: 3,
        hb_port: 4,
        control_port: 5,
        signature_scheme: "hmac-sha256".to_owned(),
        key: KernelKey("open sesame".to_owned()),
    }));
    let config = |simulation: &Simulation| {
        let method = Method::named("config_get").unwrap();
        View::of(&simulation.state).answer(method, &Map::new())["config"].clone()
    };
    assert_eq!(config(&simulation)["ip_connect_info"]["key"], "open sesame");
    assert!(!format!("{:?}", simulation.state).contains("sesame"));
    assert!(!status(&simulation.state).to_string().contains("sesame"));
    simulation.lose_worker();
    assert_eq!(config(&simulation), json!({"ip_connect_info": {}}));
}
