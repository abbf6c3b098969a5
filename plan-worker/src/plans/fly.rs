//! `fly`: devices that measure by themselves on their way.

use serde_json::Value;

use super::arguments::Arguments;
use super::signature::{Parameter, Signature};
use super::steps::in_run;
use super::{MD, PlanError};
use crate::devices::DeviceRef;
use crate::engine::message::Message;
use crate::engine::plan::Plan;

pub(super) const FLY: Signature = Signature {
    name: "fly",
    module: "bluesky.plans",
    is_generator: true,
    description: "Have flyers go their way, and take what they have measured.",
    parameters: &[
        Parameter::positional("flyers", "Devices that measure on their way.")
            .of_devices("list[__FLYABLE__]"),
        MD,
    ],
};

pub(super) fn fly(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let flyers = match arguments.value("flyers") {
        Value::Array(names) => {
            names.iter().map(|name| flyer(arguments, name)).collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(PlanError::argument("flyers", "has to be a list of devices")),
    };
    let metadata = arguments.metadata()?;
    Ok(Plan::new("fly", |messages| async move {
        let flight = async {
            for step in [Message::Kickoff, Message::Complete, Message::Collect] {
                for flyer in &flyers {
                    messages.send(step(DeviceRef::clone(flyer))).await?;
                }
            }
            Ok(())
        };
        in_run(&messages, metadata, flight).await
    }))
}

fn flyer(arguments: &Arguments<'_>, name: &Value) -> Result<DeviceRef, PlanError> {
    let device = arguments.device(name)?;
    match device.flyer() {
        Some(_) => Ok(device),
        None => Err(PlanError::NotFlyable(device.name().to_owned())),
    }
}
