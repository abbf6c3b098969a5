//! `abs_set`, `rel_set`, `stop` and `trigger`: one instruction to one device, without documents.

use serde_json::Value;

use super::arguments::Arguments;
use super::signature::{Parameter, Signature};
use super::{MOVABLE, PlanError};
use crate::devices::DeviceRef;
use crate::engine::message::{Message, Thrown};
use crate::engine::plan::{Messages, Origin, Plan};

const DEVICE: Parameter =
    Parameter::positional("obj", "Device to instruct.").of_devices("__DEVICE__");
const GROUP: Parameter =
    Parameter::keyword("group", "Name to wait for.").of("collections.abc.Hashable | None");
const WAIT: Parameter =
    Parameter::keyword("wait", "Whether to wait until it is done; else it is stopped at the end.")
        .of("bool")
        .or("False");
const SET_PARAMETERS: &[Parameter] = &[
    Parameter::positional("obj", "Device to set.").of_devices(MOVABLE),
    Parameter::rest("args", "The value.").of("typing.Any"),
    GROUP,
    WAIT,
    Parameter::further("kwargs", "Passed to the device; none takes any."),
];

pub(super) const ABS_SET: Signature = Signature {
    name: "abs_set",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Set one device, and wait for it if told so.",
    parameters: SET_PARAMETERS,
};

pub(super) const REL_SET: Signature = Signature {
    name: "rel_set",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Set one device relative to where it is, and wait for it if told so.",
    parameters: SET_PARAMETERS,
};

pub(super) const STOP: Signature = Signature {
    name: "stop",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Bring one device to rest.",
    parameters: &[DEVICE],
};

pub(super) const TRIGGER: Signature = Signature {
    name: "trigger",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Have one device measure, and wait for it if told so.",
    parameters: &[DEVICE, GROUP, WAIT],
};

pub(super) fn abs_set(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let (device, value, wait) = target(arguments)?;
    Ok(Plan::new(
        "abs_set",
        move |messages| async move { set(&messages, &device, value, wait).await },
    ))
}

pub(super) fn rel_set(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let (device, value, wait) = target(arguments)?;
    Ok(Plan::new("rel_set", move |messages| async move {
        let origin = Origin::of(vec![DeviceRef::clone(&device)]).into();
        set(&messages.relative_to(&origin), &device, value, wait).await
    }))
}

pub(super) fn stop(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let device = arguments.device(arguments.value("obj"))?;
    Ok(Plan::new(
        "stop",
        |messages| async move { messages.send(Message::Stop(device)).await.map(drop) },
    ))
}

pub(super) fn trigger(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let device = arguments.device(arguments.value("obj"))?;
    let wait = arguments.flag("wait", false)?;
    Ok(Plan::new("trigger", move |messages| async move {
        let group = messages.new_group();
        messages.send(Message::Trigger { device, group }).await?;
        if wait { messages.wait(group, None).await } else { Ok(()) }
    }))
}

fn target(arguments: &Arguments<'_>) -> Result<(DeviceRef, Value, bool), PlanError> {
    let device = arguments.motor_of("obj")?;
    let [value] = arguments.rest() else {
        return Err(PlanError::argument("args", "have to be one value"));
    };
    Ok((device, value.clone(), arguments.flag("wait", false)?))
}

async fn set(
    messages: &Messages,
    device: &DeviceRef,
    value: Value,
    wait: bool,
) -> Result<(), Thrown> {
    let group = messages.new_group();
    messages.set(device, value, group).await?;
    if wait { messages.wait(group, None).await } else { Ok(()) }
}
