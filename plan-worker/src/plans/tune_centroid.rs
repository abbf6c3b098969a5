//! `tune_centroid`: a motor to the middle of a peak, in ever narrower passes.

use serde_json::json;

use super::arguments::{Arguments, count_of, number};
use super::metadata::of_one_motor;
use super::signature::{Parameter, Signature};
use super::steps::{in_run, move_to, number_in, staged, trigger_and_read};
use super::{DETECTORS, MD, MOTOR, PlanError};
use crate::devices::DeviceRef;
use crate::engine::message::{Message, Thrown};
use crate::engine::plan::{Messages, Plan};

pub(super) const TUNE_CENTROID: Signature = Signature {
    name: "tune_centroid",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move a motor to the centroid of a peak, which ever narrower passes find.",
    parameters: &[
        DETECTORS,
        Parameter::positional("signal", "Field that has the peak.").of("str"),
        MOTOR,
        Parameter::positional("start", "One end of the range.").of("float"),
        Parameter::positional("stop", "The other end.").of("float"),
        Parameter::positional("min_step", "Step at which it is good enough.").of("float"),
        Parameter::positional("num", "Number of points of each pass.").of("int").or("10"),
        Parameter::positional("step_factor", "By how much each pass is narrower than the last.")
            .of("float")
            .or("3.0"),
        Parameter::positional("snake", "Whether passes go back and forth.").of("bool").or("False"),
        MD,
    ],
};

pub(super) fn tune_centroid(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let detectors = arguments.detectors()?;
    let motor = arguments.motor_of("motor")?;
    let min_step = arguments.number("min_step")?;
    if min_step <= 0.0 {
        return Err(PlanError::argument("min_step", "has to be above 0"));
    }
    let num = arguments.named_or("num", json!(10));
    let points = count_of("num", &num)?;
    if points < 2 {
        return Err(PlanError::argument("num", "has to be at least 2"));
    }
    let narrowing = number("step_factor", &arguments.named_or("step_factor", json!(3.0)))?;
    if narrowing <= 1.0 {
        return Err(PlanError::argument("step_factor", "has to be above 1"));
    }
    let (start, stop) = (arguments.number("start")?, arguments.number("stop")?);
    let passes = Passes {
        low: start.min(stop),
        high: start.max(stop),
        intervals: (points - 1) as f64,
        narrowing,
        snake: arguments.flag("snake", false)?,
        min_step,
    };
    let fields = Fields {
        signal: arguments.text("signal")?,
        position: match motor.hints().fields() {
            [field] => field.clone(),
            _ => motor.name().to_owned(),
        },
    };

    let limits = json!({
        "start": arguments.value("start"),
        "stop": arguments.value("stop"),
        "num": num,
        "min_step": arguments.value("min_step"),
    });
    let given = arguments.metadata()?;
    let metadata = of_one_motor("tune_centroid", limits, given, &detectors, &motor);
    let first = arguments.value("start").clone();
    Ok(Plan::new("tune_centroid", |messages| async move {
        let mut devices = detectors;
        devices.push(DeviceRef::clone(&motor));
        let tuning = async {
            let mut pass = Pass::begin(&passes, start, stop);
            let mut target = first;
            while pass.goes_on(&passes) {
                messages.send(Message::Checkpoint).await?;
                move_to(&messages, &motor, target).await?;
                let (position, signal) = fields.measure(&messages, &devices).await?;
                if !pass.advance(&passes, position, signal) {
                    return Ok(());
                }
                target = json!(pass.next);
            }
            match pass.peak {
                Some(peak) => move_to(&messages, &motor, json!(peak)).await,
                None => Ok(()),
            }
        };
        staged(&messages, &devices, in_run(&messages, metadata, tuning)).await
    }))
}

/// What of an event counts.
struct Fields {
    signal: String,
    position: String,
}

impl Fields {
    /// Takes an event; where the motor is in it, and the signal there.
    async fn measure(
        &self,
        messages: &Messages,
        devices: &[DeviceRef],
    ) -> Result<(f64, f64), Thrown> {
        let fields = [self.position.as_str(), self.signal.as_str()];
        let values = trigger_and_read(messages, devices, &fields).await?;
        let mut numbers = [0.0; 2];
        for ((number, field), value) in numbers.iter_mut().zip(fields).zip(values) {
            let missing = || Thrown::Failed(format!("no device of the plan has a field {field}"));
            *number = number_in(field, &value.ok_or_else(missing)?)?;
        }
        let [position, signal] = numbers;
        Ok((position, signal))
    }
}

/// What all passes have in common.
struct Passes {
    low: f64,
    high: f64,
    intervals: f64,
    narrowing: f64,
    snake: bool,
    min_step: f64,
}

/// One pass over the range, and what the last one has found.
struct Pass {
    start: f64,
    stop: f64,
    step: f64,
    next: f64,
    sum: f64,
    moment: f64,
    peak: Option<f64>,
}

impl Pass {
    fn begin(passes: &Passes, start: f64, stop: f64) -> Self {
        let step = (stop - start) / passes.intervals;
        Self { start, stop, step, next: start, sum: 0.0, moment: 0.0, peak: None }
    }

    fn goes_on(&self, passes: &Passes) -> bool {
        self.step.abs() >= passes.min_step && (passes.low..=passes.high).contains(&self.next)
    }

    /// Decides on the next position, number for number as bluesky does. `false` when there is no signal to follow.
    fn advance(&mut self, passes: &Passes, position: f64, signal: f64) -> bool {
        self.sum += signal;
        self.moment += position * signal;
        self.next += self.step;
        let (low, high) = (self.start.min(self.stop), self.start.max(self.stop));
        if (low..=high).contains(&self.next) {
            return true;
        }
        if self.sum == 0.0 {
            return false;
        }
        let peak = self.moment / self.sum;
        let range = (self.stop - self.start) / passes.narrowing;
        let within = |position: f64| position.max(passes.low).min(passes.high);
        let (mut start, mut stop) = (within(peak - range / 2.0), within(peak + range / 2.0));
        if passes.snake {
            (start, stop) = (stop, start);
        }
        *self = Self { peak: Some(peak), ..Self::begin(passes, start, stop) };
        true
    }
}
