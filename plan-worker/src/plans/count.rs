//! `count`: one or more readings.

use serde_json::{Value, json};

use super::arguments::{Arguments, count_of, number};
use super::metadata::{names, representations};
use super::signature::{Parameter, Signature};
use super::steps::{Delay, in_run, repeat, staged};
use super::{DETECTORS, MD, PlanError};
use crate::engine::plan::Plan;

pub(super) const COUNT: Signature = Signature {
    name: "count",
    module: "bluesky.plans",
    is_generator: true,
    description: "Read detectors once or several times.",
    parameters: &[
        DETECTORS,
        Parameter::positional("num", "Number of readings; None goes on until stopped.")
            .of("int | None")
            .or("1"),
        Parameter::positional("delay", "Seconds between readings, or a list of them.")
            .of("float | collections.abc.Iterable[float]")
            .or("0.0"),
        Parameter::keyword("per_shot", "Python function in place of the inner loop."),
        MD,
    ],
};

pub(super) fn count(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let detectors = arguments.detectors()?;
    let num = arguments.named_or("num", json!(1));
    let repetitions = match &num {
        Value::Null => None,
        num => Some(count_of("num", num)?),
    };
    let delay = arguments.named_or("delay", json!(0.0));
    let pauses = pauses(&delay, repetitions)?;

    let given = arguments.metadata()?;
    let mut metadata = match json!({
        "detectors": names(&detectors),
        "num_points": num,
        "num_intervals": repetitions.map(|num| num as i64 - 1),
        "plan_args": { "detectors": representations(&detectors), "num": num, "delay": delay },
        "plan_name": "count",
        "hints": {},
    }) {
        Value::Object(metadata) => metadata,
        _ => return Err(PlanError::argument("md", "cannot be used")),
    };
    metadata.extend(given);
    if let Some(Value::Object(hints)) = metadata.get_mut("hints") {
        hints.entry("dimensions").or_insert_with(|| json!([[["time"], "primary"]]));
    }

    Ok(Plan::new("count", |messages| async move {
        let shots = repeat(&messages, &detectors, repetitions, &pauses);
        staged(&messages, &detectors, in_run(&messages, metadata, shots)).await
    }))
}

fn pauses(delay: &Value, repetitions: Option<usize>) -> Result<Delay, PlanError> {
    let Value::Array(delays) = delay else {
        return match delay {
            Value::Null => Ok(Delay::Constant(0.0)),
            delay => Ok(Delay::Constant(number("delay", delay)?)),
        };
    };
    let delays =
        delays.iter().map(|delay| number("delay", delay)).collect::<Result<Vec<_>, _>>()?;
    match repetitions {
        Some(num) if num > delays.len() + 1 => Err(PlanError::argument(
            "delay",
            format!("has {} entries, but num={num} needs at least {}", delays.len(), num - 1),
        )),
        _ => Ok(Delay::Listed(delays)),
    }
}
