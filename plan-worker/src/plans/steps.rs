//! The building blocks of plans: one reading, one step, and what wraps a whole plan.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::devices::DeviceRef;
use crate::engine::message::{Message, RunStatus, Thrown};
use crate::engine::plan::{Messages, Origin};

/// Stream of a plan's readings.
pub(super) const PRIMARY: &str = "primary";

/// Stages `devices`, carries out `body`, and unstages them whatever happened.
pub(super) async fn staged(
    messages: &Messages,
    devices: &[DeviceRef],
    body: impl Future<Output = Result<(), Thrown>>,
) -> Result<(), Thrown> {
    let devices = each_device_once(devices);
    let result = async {
        for device in &devices {
            messages.send(Message::Stage(Arc::clone(device))).await?;
        }
        body.await
    }
    .await;
    for device in devices.iter().rev() {
        messages.send(Message::Unstage(Arc::clone(device))).await?;
    }
    result
}

/// Carries out `body` in a run, which it closes whatever happened.
pub(super) async fn in_run(
    messages: &Messages,
    metadata: Map<String, Value>,
    body: impl Future<Output = Result<(), Thrown>>,
) -> Result<(), Thrown> {
    messages.send(Message::OpenRun { metadata }).await?;
    let result = body.await;
    let (status, reason) = match &result {
        Ok(()) => (RunStatus::Success, String::new()),
        Err(thrown) => (thrown.run_status(), thrown.reason()),
    };
    messages.send(Message::CloseRun { status, reason }).await?;
    result
}

/// Carries out `body` with targets that count from where the motors are, and brings the motors back there whatever happened.
pub(super) async fn from_here_and_back<Body, Running>(
    messages: &Messages,
    motors: Vec<DeviceRef>,
    body: Body,
) -> Result<(), Thrown>
where
    Body: FnOnce(Messages) -> Running,
    Running: Future<Output = Result<(), Thrown>>,
{
    let origin = Arc::new(Origin::of(motors));
    let result = body(messages.relative_to(&origin)).await;
    let group = messages.new_group();
    for (device, value) in origin.starts() {
        messages.send(Message::Set { device, value, group }).await?;
    }
    messages.wait(group, None).await?;
    result
}

/// Triggers `devices`, waits for them, and reads them into one event. Gives the values of those `fields` that the event has.
pub(super) async fn trigger_and_read(
    messages: &Messages,
    devices: &[DeviceRef],
    fields: &[&str],
) -> Result<Vec<Option<Value>>, Thrown> {
    let devices = each_device_once(devices);
    let group = messages.new_group();
    for device in &devices {
        messages.send(Message::Trigger { device: Arc::clone(device), group }).await?;
    }
    if !devices.is_empty() {
        messages.wait(group, None).await?;
    }
    messages.send(Message::Create { stream: PRIMARY.into() }).await?;
    for device in &devices {
        if let Err(thrown) = messages.send(Message::Read(Arc::clone(device))).await {
            messages.send(Message::Drop).await?;
            return Err(thrown);
        }
    }
    let mut values = Vec::with_capacity(fields.len());
    for field in fields {
        values.push(messages.look(field).await?);
    }
    messages.send(Message::Save).await?;
    Ok(values)
}

/// The number that a field of an event has to have.
pub(super) fn number_in(field: &str, value: &Value) -> Result<f64, Thrown> {
    value
        .as_f64()
        .or_else(|| value.as_bool().map(|is| f64::from(u8::from(is))))
        .ok_or_else(|| Thrown::Failed(format!("{field} is no number: {value}")))
}

/// Moves one motor and waits for it.
pub(super) async fn move_to(
    messages: &Messages,
    motor: &DeviceRef,
    target: Value,
) -> Result<(), Thrown> {
    let group = messages.new_group();
    messages.set(motor, target, group).await?;
    messages.wait(group, None).await
}

/// Pauses between repetitions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Delay {
    /// The same each time, in seconds.
    Constant(f64),
    /// One after the other; without any left a plan of endless repetitions ends.
    Listed(Vec<f64>),
}

/// Takes `num` events of `detectors`, or as many as the user lets it; at least the delay apart.
pub(super) async fn repeat(
    messages: &Messages,
    detectors: &[DeviceRef],
    num: Option<usize>,
    delay: &Delay,
) -> Result<(), Thrown> {
    let mut taken = 0;
    while num.is_none_or(|num| taken < num) {
        let begun = Instant::now();
        messages.send(Message::Checkpoint).await?;
        messages.send(Message::Checkpoint).await?;
        trigger_and_read(messages, detectors, &[]).await?;
        let delay = match delay {
            Delay::Constant(delay) => *delay,
            Delay::Listed(delays) => match delays.get(taken) {
                Some(delay) => *delay,
                None => return Ok(()),
            },
        };
        let left = delay - begun.elapsed().as_secs_f64();
        if let Ok(left) = Duration::try_from_secs_f64(left)
            && !left.is_zero()
        {
            messages.send(Message::Sleep(left)).await?;
        }
        taken += 1;
    }
    Ok(())
}

/// Each device once, in the order of their first mention.
pub(super) fn each_device_once(devices: &[DeviceRef]) -> Vec<DeviceRef> {
    let mut once: Vec<DeviceRef> = Vec::with_capacity(devices.len());
    for device in devices {
        if !once.iter().any(|known| Arc::ptr_eq(known, device)) {
            once.push(Arc::clone(device));
        }
    }
    once
}
