//! Performs one method on a target: which signals it touches depends on the target's behaviour.

use std::time::Duration;

use channels::{PutMode, PvValue, Want};
use crds::device::Framework;
use crds::device_class::Behaviour;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::audit::{Ending, Outcome};
use crate::device::target::{Part, Role, Target};
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError, Method, motor, positioner, reading, settling, signal};

/// How long a stop may take.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Performs `call` within its timeout. A device that did not finish in time is stopped if
/// `stop_late` says so.
///
/// # Errors
/// [`DeviceError`].
pub(crate) async fn perform(
    wire: &Wire<'_>,
    call: &Call,
    stop_late: bool,
) -> Result<Value, DeviceError> {
    match timeout(call.timeout, run(wire, call)).await {
        Ok(result) => result,
        Err(_) => Err(DeviceError::Incomplete {
            name: wire.target.name.clone(),
            method: call.method.name(),
            timeout: call.timeout,
            after: if call.method.writes() { late(wire, stop_late).await } else { String::new() },
        }),
    }
}

async fn run(wire: &Wire<'_>, call: &Call) -> Result<Value, DeviceError> {
    let target = wire.target;
    match call.method {
        Method::Read => read(wire, Role::Reading, Want::Time, reading::reading).await,
        Method::ReadConfiguration => {
            read(wire, Role::Configuration, Want::Time, reading::reading).await
        }
        Method::Describe => read(wire, Role::Reading, Want::Control, reading::description).await,
        Method::DescribeConfiguration => {
            read(wire, Role::Configuration, Want::Control, reading::description).await
        }
        Method::Get => get(wire).await,
        Method::Put => {
            let part = target.only().ok_or_else(|| unsupported(target, call.method))?;
            signal::put(wire, part, value(call)?, call).await?;
            Ok(match target.framework {
                Framework::OphydSync => Value::Null,
                Framework::OphydAsync => initiated(),
            })
        }
        Method::Set => {
            set(wire, call).await?;
            Ok(if call.wait { done() } else { initiated() })
        }
        Method::Stop => stop(wire).await.map(|()| Value::Null),
        Method::Trigger => trigger(wire, call).await.map(|()| done()),
    }
}

fn done() -> Value {
    json!({ "done": true, "success": true })
}

fn initiated() -> Value {
    json!({ "initiated": true, "done": false })
}

fn unsupported(target: &Target, method: Method) -> DeviceError {
    DeviceError::NotSupported {
        class: target.class.clone(),
        name: target.name.clone(),
        method: method.name(),
    }
}

fn value(call: &Call) -> Result<&Value, DeviceError> {
    let missing = || DeviceError::BadArguments(format!("{} needs a value", call.method.name()));
    call.value.as_ref().ok_or_else(missing)
}

async fn read(
    wire: &Wire<'_>,
    role: Role,
    want: Want,
    shape: fn(&Target, &[(&Part, channels::Sample)]) -> Value,
) -> Result<Value, DeviceError> {
    let samples = wire.read(&reading::parts_of(wire.target, role), want).await?;
    Ok(shape(wire.target, &samples))
}

async fn get(wire: &Wire<'_>) -> Result<Value, DeviceError> {
    let parts: Vec<&Part> = wire.target.parts.iter().collect();
    let samples = wire.read(&parts, Want::Time).await?;
    Ok(match (wire.target.only(), samples.first()) {
        (Some(_), Some((part, sample))) => reading::value(part, sample),
        _ => reading::tree(&samples),
    })
}

async fn set(wire: &Wire<'_>, call: &Call) -> Result<(), DeviceError> {
    let target = wire.target;
    match target.behaviour {
        Behaviour::Signal => {
            let part = target.only().ok_or_else(|| unsupported(target, call.method))?;
            signal::set(wire, part, value(call)?, call).await
        }
        Behaviour::EpicsMotor => motor::set(wire, value(call)?, call).await,
        Behaviour::Positioner => positioner::set(wire, value(call)?, call).await,
        Behaviour::Settling => settling::set(wire, value(call)?, call).await,
        Behaviour::Counter | Behaviour::Camera | Behaviour::Composite => {
            Err(unsupported(target, call.method))
        }
    }
}

/// Stops everything in the target that can be stopped, all at the same time. A signal has nothing
/// to stop.
async fn stop(wire: &Wire<'_>) -> Result<(), DeviceError> {
    let target = wire.target;
    if target.behaviour == Behaviour::Signal {
        return Err(unsupported(target, Method::Stop));
    }
    wire.used.note_stop(&target.device);
    if target.behaviour == Behaviour::Settling {
        return settling::stop(wire).await;
    }
    let stops = target.parts.iter().filter(|part| is_stop(&part.attr));
    let results = join_all(stops.map(|part| motor::stop(wire, part))).await;
    results.into_iter().collect()
}

fn is_stop(attr: &str) -> bool {
    matches!(attr.rsplit('.').next(), Some("motor_stop" | "stop_signal"))
}

/// Counts or acquires once; nothing to do for anything that is always up to date.
async fn trigger(wire: &Wire<'_>, call: &Call) -> Result<(), DeviceError> {
    let attrs: &[&str] = match wire.target.behaviour {
        Behaviour::Counter => &["count", "start", "erase_start"],
        Behaviour::Camera => &["cam.acquire", "acquire"],
        _ => return Ok(()),
    };
    let Some(part) = attrs.iter().find_map(|attr| wire.target.part(attr)) else {
        return Err(unsupported(wire.target, Method::Trigger));
    };
    wire.put(&part.write_pv, PvValue::Long(1), PutMode::Completion, call.timeout).await
}

/// Stops a device that did not finish in time, and says what came of it.
async fn late(wire: &Wire<'_>, stop_late: bool) -> String {
    if wire.target.behaviour == Behaviour::Signal {
        return format!(" {} exposes no stop(); it may still be in motion.", wire.target.name);
    }
    if !stop_late {
        return " Hardware may still be in motion (stop-on-timeout disabled).".to_owned();
    }
    let attempt = wire.attempt.followed_by(Method::Stop.name(), "the command was not done in time");
    let stopped = timeout(STOP_TIMEOUT, stop(&wire.with_attempt(&attempt))).await;
    match &stopped {
        Ok(stopped) => attempt.end(stopped),
        Err(_) => attempt.end(Ending::plain(Outcome::Timeout)),
    }
    match stopped {
        Ok(Ok(())) => " A stop() was issued to halt the device.".to_owned(),
        Ok(Err(error)) => {
            format!(
                " A stop() was attempted but failed ({error}); hardware may still be in motion."
            )
        }
        Err(_) => format!(
            " A stop() was issued but did not confirm within {:?}s; hardware may still be in motion.",
            STOP_TIMEOUT.as_secs_f64()
        ),
    }
}
