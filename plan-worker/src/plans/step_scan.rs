//! What most scans are: a trajectory, and a reading at each of its points.

use serde_json::{Map, Value};

use super::steps::{from_here_and_back, in_run, staged, trigger_and_read};
use super::trajectory::Trajectory;
use crate::devices::DeviceRef;
use crate::engine::message::{Message, Thrown};
use crate::engine::plan::{Messages, Plan};

/// A scan, ready to go.
#[derive(Debug)]
pub(super) struct Scan {
    detectors: Vec<DeviceRef>,
    trajectory: Trajectory,
    metadata: Map<String, Value>,
    sends_motors_again: bool,
}

impl Scan {
    /// A scan that leaves a motor alone whose target has not changed.
    pub(super) fn new(
        detectors: Vec<DeviceRef>,
        trajectory: Trajectory,
        metadata: Map<String, Value>,
    ) -> Self {
        Self { detectors, trajectory, metadata, sends_motors_again: false }
    }

    /// The same, but motors are sent to each point even where they should be already.
    pub(super) fn sending_motors_again(self) -> Self {
        Self { sends_motors_again: true, ..self }
    }

    /// The same, whose start document says `value` under `key`.
    pub(super) fn saying(mut self, key: &str, value: Value) -> Self {
        self.metadata.insert(key.to_owned(), value);
        self
    }

    /// The plan that takes the positions as they are.
    pub(super) fn absolute(self, name: &'static str) -> Plan {
        Plan::new(name, |messages| async move { self.carry_out(&messages).await })
    }

    /// The plan that takes the positions as distances from where the motors are.
    pub(super) fn relative(self, name: &'static str) -> Plan {
        Plan::new(name, |messages| async move {
            let motors = self.trajectory.motors();
            from_here_and_back(&messages, motors, |messages| async move {
                self.carry_out(&messages).await
            })
            .await
        })
    }

    async fn carry_out(self, messages: &Messages) -> Result<(), Thrown> {
        let Self { detectors, trajectory, metadata, sends_motors_again } = self;
        let mut devices = detectors;
        devices.extend(trajectory.motors());
        let steps = step_through(messages, &devices, &trajectory, sends_motors_again);
        staged(messages, &devices, in_run(messages, metadata, steps)).await
    }
}

/// Goes along `trajectory` and takes one event of `devices` at each point.
async fn step_through(
    messages: &Messages,
    devices: &[DeviceRef],
    trajectory: &Trajectory,
    sends_motors_again: bool,
) -> Result<(), Thrown> {
    let mut last: Vec<Option<Value>> = vec![None; trajectory.motors().len()];
    for index in 0..trajectory.points().unwrap_or_default() {
        messages.send(Message::Checkpoint).await?;
        let group = messages.new_group();
        for ((motor, target), last) in trajectory.point(index).into_iter().zip(&mut last) {
            if !sends_motors_again && last.as_ref().is_some_and(|last| same_target(last, &target)) {
                continue;
            }
            messages.set(&motor, target.clone(), group).await?;
            *last = Some(target);
        }
        messages.wait(group, None).await?;
        trigger_and_read(messages, devices, &[]).await?;
    }
    Ok(())
}

fn same_target(last: &Value, target: &Value) -> bool {
    match (last.as_f64(), target.as_f64()) {
        (Some(last), Some(target)) => last == target,
        _ => last == target,
    }
}
