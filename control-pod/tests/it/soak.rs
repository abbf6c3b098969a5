//! Clients that come, follow something and leave: no task of them may stay.

use std::time::Duration;

use control_pod::Settings;
use serde_json::json;
use tokio::runtime::Handle;

use crate::camera_iocs::area_detector;
use crate::socket::Socket;
use crate::support::{Control, settings};
use crate::viewer::Viewer;

const CYCLES: usize = 60;
/// What is made once, for the first clients, does not count.
const FIRST: usize = 3;

/// One client of each socket: comes, follows, is told something, and leaves, every other one without a word.
async fn cycle(control: &Control, number: usize) {
    let pv = json!({"action": "subscribe", "pv": "13SIM1:cam1:Gain"});
    let device = json!({"action": "subscribe", "device": "gain"});
    for (path, message) in [("pv-socket", &pv), ("control-socket", &pv), ("device-socket", &device)]
    {
        let mut sockets = vec![Socket::open(control, path).await];
        if path != "control-socket" {
            sockets.push(Socket::open_oas(control, &format!("/api/v1/{path}")).await);
        }
        for mut socket in sockets {
            socket.send(message.clone()).await;
            socket.until(|frame| frame.get("value").is_some()).await;
            if number.is_multiple_of(2) {
                socket.0.close(None).await.unwrap();
            }
        }
    }
    for mut viewer in [
        Viewer::open(control, "camera-socket", &json!({})).await,
        Viewer::open_oas(control, "camera-socket", &json!({})).await,
    ] {
        viewer.next_picture().await;
    }
}

/// Waits until nobody is served any more.
async fn left(control: &Control) {
    control.until("/health", |_, body| body["active_subscriptions"] == 0).await;
    control.until("/api/v1/stats", |_, stats| stats["camera_socket"]["cameras"] == json!([])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_and_leave_leave_no_task_behind() {
    let brief = Duration::from_millis(100);
    let settings = Settings {
        pv_monitor_idle_ttl: brief,
        pv_monitor_sweep_interval: brief,
        // Sockets that stay would soon leave no room.
        ws_max_connections: 30,
        ..settings()
    };
    let (control, stop) = area_detector(settings).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    for number in 0..FIRST {
        cycle(&control, number).await;
    }
    left(&control).await;
    let before = tasks();
    for number in 0..CYCLES {
        cycle(&control, number).await;
    }
    left(&control).await;
    // Each look is a request, so this is bounded by the patience of `until`.
    control.until("/health", |_, _| tasks() <= before).await;
    stop.cancel();
}
