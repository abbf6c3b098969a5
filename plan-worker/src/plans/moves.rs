//! `mv`, `mvr`, `sleep` and `null`: plans without documents.

use std::time::Duration;

use serde_json::Value;

use super::PlanError;
use super::arguments::{Arguments, each_once, number};
use super::signature::{Parameter, Signature};
use crate::devices::DeviceRef;
use crate::engine::message::{Message, Thrown};
use crate::engine::plan::{Messages, Origin, Plan};

const MOVE_PARAMETERS: &[Parameter] = &[
    Parameter::rest("args", "`motor, position` for each motor.")
        .of_devices("__MOVABLE__ | typing.Any"),
    Parameter::keyword("group", "Name for the moves as a group.")
        .of("collections.abc.Hashable | None"),
    Parameter::keyword("timeout", "Longest wait for the moves, in seconds.").of("float | None"),
    Parameter::further("kwargs", "Passed to the devices; none of them takes any."),
];

pub(super) const MV: Signature = Signature {
    name: "mv",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Move one or more motors at the same time.",
    parameters: MOVE_PARAMETERS,
};

pub(super) const MVR: Signature = Signature {
    name: "mvr",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Move one or more motors by a distance at the same time.",
    parameters: MOVE_PARAMETERS,
};

pub(super) const SLEEP: Signature = Signature {
    name: "sleep",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Wait for a while.",
    parameters: &[Parameter::positional("time", "Seconds.").of("float")],
};

pub(super) const NULL: Signature = Signature {
    name: "null",
    module: "bluesky.plan_stubs",
    is_generator: false,
    description: "Do nothing.",
    parameters: &[],
};

pub(super) fn mv(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let (moves, timeout) = targets(arguments)?;
    Ok(Plan::new("mv", |messages| async move { go(&messages, moves, timeout).await }))
}

pub(super) fn mvr(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let (moves, timeout) = targets(arguments)?;
    Ok(Plan::new("mvr", |messages| async move {
        let motors = moves.iter().map(|(motor, _)| DeviceRef::clone(motor)).collect();
        let messages = messages.relative_to(&Origin::of(motors).into());
        go(&messages, moves, timeout).await
    }))
}

pub(super) fn sleep(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let seconds = arguments.named_or("time", Value::Null);
    let time = Duration::try_from_secs_f64(number("time", &seconds)?)
        .map_err(|error| PlanError::argument("time", format!("is {seconds}: {error}")))?;
    Ok(Plan::new("sleep", move |messages| async move {
        messages.send(Message::Sleep(time)).await.map(drop)
    }))
}

pub(super) fn null(_: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(Plan::new("null", |messages| async move { messages.send(Message::Null).await.map(drop) }))
}

type Moves = Vec<(DeviceRef, Value)>;

fn targets(arguments: &Arguments<'_>) -> Result<(Moves, Option<Duration>), PlanError> {
    let rest = arguments.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(2) {
        return Err(PlanError::argument("args", "have to be motor, position for each motor"));
    }
    let moves = rest
        .chunks(2)
        .map(|pair| Ok((arguments.motor(&pair[0])?, pair[1].clone())))
        .collect::<Result<Moves, PlanError>>()?;
    each_once(&moves.iter().map(|(motor, _)| DeviceRef::clone(motor)).collect::<Vec<_>>())?;
    let timeout = match arguments.given("timeout") {
        None => None,
        Some(timeout) => Some(
            Duration::try_from_secs_f64(number("timeout", timeout)?)
                .map_err(|error| PlanError::argument("timeout", format!("is wrong: {error}")))?,
        ),
    };
    Ok((moves, timeout))
}

async fn go(messages: &Messages, moves: Moves, timeout: Option<Duration>) -> Result<(), Thrown> {
    let group = messages.new_group();
    for (motor, target) in moves {
        messages.set(&motor, target, group).await?;
    }
    messages.wait(group, timeout).await
}
