//! `list_scan` and `rel_list_scan`: one or more motors along lists of positions, together.

use serde_json::{Value, json};

use super::arguments::{Arguments, each_once};
use super::metadata::{PATTERN_MODULE, of_scan, representations, shared_dimension};
use super::signature::{Parameter, Signature};
use super::step_scan::Scan;
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, PER_STEP, PlanError};
use crate::engine::plan::Plan;

const ARGS: Parameter = Parameter::rest(
    "args",
    "`motor, [position, position, …]` for each motor, lists of one length.",
);

pub(super) const LIST_SCAN: Signature = Signature {
    name: "list_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move motors together along lists of positions and read detectors at each.",
    parameters: &[
        DETECTORS,
        ARGS.of_devices("tuple[__MOVABLE__ | typing.Any, list[typing.Any]]"),
        PER_STEP,
        MD,
    ],
};

pub(super) const REL_LIST_SCAN: Signature = Signature {
    name: "rel_list_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like list_scan, from where the motors are, and back there at the end.",
    parameters: &[DETECTORS, ARGS.of_devices("__MOVABLE__ | typing.Any"), PER_STEP, MD],
};

pub(super) fn list_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(listed("list_scan", arguments)?.absolute("list_scan"))
}

pub(super) fn rel_list_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(listed("rel_list_scan", arguments)?.relative("rel_list_scan"))
}

fn listed(name: &'static str, arguments: &Arguments<'_>) -> Result<Scan, PlanError> {
    let wrong = |reason: String| PlanError::argument("args", reason);
    let detectors = arguments.detectors()?;
    if arguments.rest().is_empty() || !arguments.rest().len().is_multiple_of(2) {
        return Err(wrong("have to be motor, [positions] for each motor".into()));
    }
    let mut axes = Vec::new();
    let mut written = Vec::new();
    let mut points = None;
    for pair in arguments.rest().chunks(2) {
        let motor = arguments.motor(&pair[0])?;
        let Value::Array(positions) = &pair[1] else {
            return Err(wrong(format!("need a list of positions for {}", motor.name())));
        };
        if *points.get_or_insert(positions.len()) != positions.len() {
            return Err(wrong("have lists of different lengths".into()));
        }
        written.extend([json!(motor.representation()), pair[1].clone()]);
        axes.push(Axis { motor, positions: Positions::Listed(positions.clone()), snake: false });
    }
    let trajectory = Trajectory::Together(axes);
    let motors = trajectory.motors();
    each_once(&motors)?;

    let points = points.unwrap_or_default();
    let own = json!({
        "motors": super::metadata::names(&motors),
        "num_intervals": points.max(1) - 1,
        "plan_args": {
            "detectors": representations(&detectors),
            "args": written,
            "per_step": "None",
        },
        "plan_name": name,
        "plan_pattern": "inner_list_product",
        "plan_pattern_module": PATTERN_MODULE,
        "plan_pattern_args": { "args": written },
    });
    let hints = shared_dimension(&motors).map(|shared| ("dimensions".to_owned(), shared));
    let given = arguments.metadata()?;
    let hints = hints.into_iter().collect();
    let metadata = of_scan(own, &given, hints, &detectors, &motors, points);
    Ok(Scan::new(detectors, trajectory, metadata))
}
