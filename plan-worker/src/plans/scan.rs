//! `scan` and `rel_scan`: one or more motors in even steps, together.

use serde_json::{Value, json};

use super::arguments::{Arguments, count_of, each_once, number};
use super::metadata::{PATTERN_MODULE, of_scan, representations, shared_dimension};
use super::signature::{Parameter, Signature};
use super::step_scan::Scan;
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, PER_STEP, PlanError};
use crate::engine::plan::Plan;

const ARGS: Parameter = Parameter::rest(
    "args",
    "`motor, start, stop` for each motor; then the number of points, unless `num` is given.",
)
.of_devices("__MOVABLE__ | typing.Any");
const NUM: Parameter = Parameter::keyword("num", "Number of points.");

pub(super) const SCAN: Signature = Signature {
    name: "scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move motors together in even steps and read detectors at each.",
    parameters: &[DETECTORS, ARGS, NUM.of("int | None"), PER_STEP, MD],
};

pub(super) const REL_SCAN: Signature = Signature {
    name: "rel_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like scan, from where the motors are, and back there at the end.",
    parameters: &[DETECTORS, ARGS, NUM, PER_STEP, MD],
};

pub(super) fn scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let (moves, num) = moves_and_num(arguments)?;
    Ok(even_steps("scan", arguments, moves, num)?.absolute("scan"))
}

pub(super) fn rel_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let (moves, num) = moves_and_num(arguments)?;
    Ok(even_steps("rel_scan", arguments, moves, num)?.relative("rel_scan"))
}

/// The moves, and the number of points: given by name, or as the last position.
fn moves_and_num<'a>(arguments: &'a Arguments<'_>) -> Result<(&'a [Value], &'a Value), PlanError> {
    match (arguments.given("num"), arguments.rest()) {
        (Some(num), moves) => {
            if count_of("num", num)? == 0 {
                return Err(PlanError::argument("num", "has to be at least 1"));
            }
            Ok((moves, num))
        }
        (None, [moves @ .., num]) if moves.len().is_multiple_of(3) => Ok((moves, num)),
        (None, _) => Err(PlanError::argument(
            "num",
            "is missing: the number of points is the last position, or num=…",
        )),
    }
}

/// A scan over `moves`, which are `motor, start, stop` for each motor.
pub(super) fn even_steps(
    name: &'static str,
    arguments: &Arguments<'_>,
    moves: &[Value],
    num: &Value,
) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    if moves.is_empty() || !moves.len().is_multiple_of(3) {
        return Err(PlanError::argument("args", "have to be motor, start, stop for each motor"));
    }
    let points = count_of("num", num)?;

    let mut axes = Vec::new();
    let mut written = Vec::new();
    for triple in moves.chunks(3) {
        let motor = arguments.motor(&triple[0])?;
        written.push(json!(motor.representation()));
        written.extend_from_slice(&triple[1..]);
        let (start, stop) = (number("args", &triple[1])?, number("args", &triple[2])?);
        let positions = Positions::Even { start, stop, num: points };
        axes.push(Axis { motor, positions, snake: false });
    }
    let trajectory = Trajectory::Together(axes);
    let motors = trajectory.motors();
    each_once(&motors)?;

    let own = json!({
        "motors": super::metadata::names(&motors),
        "plan_args": {
            "detectors": representations(&detectors),
            "num": num,
            "args": written,
            "per_step": "None",
        },
        "plan_name": name,
        "plan_pattern": "inner_product",
        "plan_pattern_module": PATTERN_MODULE,
        "plan_pattern_args": { "num": num, "args": written },
    });
    let hints = shared_dimension(&motors).map(|shared| ("dimensions".to_owned(), shared));
    let given = arguments.metadata()?;
    let hints = hints.into_iter().collect();
    let metadata = of_scan(own, &given, hints, &detectors, &motors, points);
    Ok(Scan::new(detectors, trajectory, metadata))
}
