//! `adaptive_scan` and `rel_adaptive_scan`: steps that get smaller where a signal changes.

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, number};
use super::metadata::of_one_motor;
use super::signature::{Parameter, Signature};
use super::steps::{
    PRIMARY, each_device_once, from_here_and_back, in_run, move_to, number_in, staged,
};
use super::{DETECTORS, MD, MOTOR, PlanError};
use crate::devices::DeviceRef;
use crate::engine::message::{Message, Thrown};
use crate::engine::plan::{Messages, Plan};

const PARAMETERS: &[Parameter] = &[
    DETECTORS,
    Parameter::positional("target_field", "Field that decides on the steps.").of("str"),
    MOTOR,
    Parameter::positional("start", "First position.").of("float"),
    Parameter::positional("stop", "Where to end.").of("float"),
    Parameter::positional("min_step", "Smallest step, for where the field changes fast.")
        .of("float"),
    Parameter::positional("max_step", "Largest step, for where it does not change.").of("float"),
    Parameter::positional("target_delta", "Change of the field wished for from step to step.")
        .of("float"),
    Parameter::positional("backstep", "Whether the motor may go back where it went too far.")
        .of("bool"),
    Parameter::positional("threshold", "Part of the last step below which it goes back.")
        .of("float | None")
        .or("0.8"),
    MD,
];

pub(super) const ADAPTIVE_SCAN: Signature = Signature {
    name: "adaptive_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move a motor in steps that get smaller where a field changes fast.",
    parameters: PARAMETERS,
};

pub(super) const REL_ADAPTIVE_SCAN: Signature = Signature {
    name: "rel_adaptive_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like adaptive_scan, from where the motor is, and back there at the end.",
    parameters: PARAMETERS,
};

pub(super) fn adaptive_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let scan = AdaptiveScan::new("adaptive_scan", arguments)?;
    Ok(Plan::new("adaptive_scan", |messages| async move { scan.carry_out(&messages).await }))
}

pub(super) fn rel_adaptive_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let scan = AdaptiveScan::new("rel_adaptive_scan", arguments)?;
    Ok(Plan::new("rel_adaptive_scan", |messages| async move {
        let motors = vec![DeviceRef::clone(&scan.motor)];
        from_here_and_back(
            &messages,
            motors,
            |messages| async move { scan.carry_out(&messages).await },
        )
        .await
    }))
}

struct AdaptiveScan {
    detectors: Vec<DeviceRef>,
    motor: DeviceRef,
    field: String,
    start: Value,
    stop: f64,
    steps: Steps,
    metadata: Map<String, Value>,
}

impl AdaptiveScan {
    fn new(name: &'static str, arguments: &Arguments<'_>) -> Result<Self, PlanError> {
        let detectors = arguments.detectors()?;
        let motor = arguments.motor_of("motor")?;
        let field = arguments.text("target_field")?;
        let start = arguments.value("start").clone();
        let stop = arguments.number("stop")?;
        let (min, max) = (arguments.number("min_step")?, arguments.number("max_step")?);
        if !(0.0 < min && min < max) {
            return Err(PlanError::argument("min_step", "has to be above 0 and below max_step"));
        }
        let threshold = arguments.named_or("threshold", json!(0.8));
        let back_below = match arguments.flag("backstep", false)? {
            true => Some(number("threshold", &threshold)?),
            false => None,
        };
        let steps = Steps {
            min,
            max,
            target_delta: arguments.number("target_delta")?,
            back_below,
            direction: if stop >= number("start", &start)? { 1.0 } else { -1.0 },
        };

        let limits = json!({
            "start": start,
            "stop": arguments.value("stop"),
            "min_step": arguments.value("min_step"),
            "max_step": arguments.value("max_step"),
            "target_delta": arguments.value("target_delta"),
            "backstep": arguments.value("backstep"),
            "threshold": threshold,
        });
        let metadata = of_one_motor(name, limits, arguments.metadata()?, &detectors, &motor);
        Ok(Self { detectors, motor, field, start, stop, steps, metadata })
    }

    async fn carry_out(mut self, messages: &Messages) -> Result<(), Thrown> {
        let metadata = std::mem::take(&mut self.metadata);
        let mut devices = self.detectors.clone();
        devices.push(DeviceRef::clone(&self.motor));
        let along = self.along(messages, each_device_once(&devices));
        staged(messages, &devices, in_run(messages, metadata, along)).await
    }

    async fn along(&self, messages: &Messages, devices: Vec<DeviceRef>) -> Result<(), Thrown> {
        let Steps { direction, .. } = self.steps;
        let mut way = Way::begin(&self.steps, self.start.as_f64().unwrap_or_default());
        let mut target = self.start.clone();
        let mut signal = None;
        while way.next * direction < self.stop * direction {
            messages.send(Message::Checkpoint).await?;
            move_to(messages, &self.motor, target).await?;
            self.measure(messages, &devices).await?;
            if let Some(value) = messages.look(&self.field).await? {
                signal = Some(number_in(&self.field, &value)?);
            }
            messages.send(Message::Save).await?;
            way.advance(&self.steps, signal);
            target = json!(way.next);
        }
        Ok(())
    }

    async fn measure(&self, messages: &Messages, devices: &[DeviceRef]) -> Result<(), Thrown> {
        messages.send(Message::Create { stream: PRIMARY.into() }).await?;
        let group = messages.new_group();
        for detector in &self.detectors {
            let device = DeviceRef::clone(detector);
            messages.send(Message::Trigger { device, group }).await?;
        }
        messages.wait(group, None).await?;
        for device in devices {
            messages.send(Message::Read(DeviceRef::clone(device))).await?;
        }
        Ok(())
    }
}

/// How long the steps may be.
struct Steps {
    min: f64,
    max: f64,
    target_delta: f64,
    /// Part of the last step below which the motor goes back; `None` for never.
    back_below: Option<f64>,
    direction: f64,
}

/// How far the scan has come.
struct Way {
    next: f64,
    step: f64,
    past: Option<f64>,
}

impl Way {
    fn begin(steps: &Steps, start: f64) -> Self {
        Self { next: start, step: (steps.max - steps.min) / 2.0, past: None }
    }

    /// Decides on the next position after `signal` was measured, number for number as bluesky does.
    fn advance(&mut self, steps: &Steps, signal: Option<f64>) {
        let (Some(past), Some(signal)) = (self.past, signal) else {
            self.past = signal;
            self.next += self.step * steps.direction;
            return;
        };
        let slope = (signal - past).abs() / self.step;
        let step = if slope == 0.0 {
            (self.step * 1.1).min(steps.max)
        } else {
            (steps.target_delta / slope).max(steps.min).min(steps.max)
        };
        match steps.back_below {
            Some(part) if step < self.step * part => {
                // bluesky takes the step back in this direction also when the scan goes downwards.
                self.next -= self.step;
                self.step = step;
            }
            _ => {
                self.past = Some(signal);
                self.step = 0.2 * step + 0.8 * self.step;
            }
        }
        self.next += self.step * steps.direction;
    }
}
