//! `list_grid_scan` and `rel_list_grid_scan`: every combination of positions that are listed for each motor.

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, MOST_POINTS, each_once, number};
use super::metadata::{PATTERN_MODULE, names, of_scan, representations};
use super::signature::{Parameter, Signature};
use super::step_scan::Scan;
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, PER_STEP, PlanError};
use crate::devices::DeviceRef;
use crate::engine::plan::Plan;

const PARAMETERS: &[Parameter] = &[
    DETECTORS,
    Parameter::rest("args", "`motor, [position, position, …]` for each motor, the slowest first.")
        .of_devices("__MOVABLE__ | typing.Any"),
    Parameter::keyword("snake_axes", "Whether all motors but the slowest go back and forth.")
        .of("bool")
        .or("False"),
    PER_STEP,
    MD,
];

pub(super) const LIST_GRID_SCAN: Signature = Signature {
    name: "list_grid_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move motors over a grid of listed positions and read detectors at each point.",
    parameters: PARAMETERS,
};

pub(super) const REL_LIST_GRID_SCAN: Signature = Signature {
    name: "rel_list_grid_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like list_grid_scan, around where the motors are, and back there at the end.",
    parameters: PARAMETERS,
};

pub(super) fn list_grid_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(grid("list_grid_scan", arguments)?.absolute("list_grid_scan"))
}

pub(super) fn rel_list_grid_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(grid("rel_list_grid_scan", arguments)?.relative("rel_list_grid_scan"))
}

fn grid(name: &'static str, arguments: &Arguments<'_>) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    let sides = sides(arguments)?;
    let motors: Vec<DeviceRef> = sides.iter().map(|(motor, _)| DeviceRef::clone(motor)).collect();
    each_once(&motors)?;
    let (snaking, snake_axes) = snaking(arguments, &motors)?;

    let written: Vec<Value> = sides
        .iter()
        .flat_map(|(motor, positions)| [json!(motor.representation()), json!(positions)])
        .collect();
    let own = json!({
        "shape": sides.iter().map(|(_, positions)| positions.len()).collect::<Vec<_>>(),
        "extents": sides.iter().map(|(_, positions)| extent(positions)).collect::<Result<Vec<_>, _>>()?,
        "snake_axes": snake_axes,
        "plan_args": {
            "detectors": representations(&detectors),
            "args": written,
            "per_step": "None",
        },
        "plan_name": name,
        "plan_pattern": "outer_list_product",
        "plan_pattern_args": { "args": written, "snake_axes": snake_axes },
        "plan_pattern_module": PATTERN_MODULE,
        "motors": names(&motors),
    });

    let snaked = snaking.iter().skip(1).any(|snakes| *snakes);
    let axes = sides.into_iter().zip(snaking).map(|((motor, positions), snake)| {
        let positions = if snaked { of_one_type(positions) } else { positions };
        Axis { motor, positions: Positions::Listed(positions), snake }
    });
    let trajectory = Trajectory::Grid(axes.collect());
    let points = trajectory
        .points()
        .filter(|points| *points <= MOST_POINTS)
        .ok_or_else(|| PlanError::argument("args", "have more points than a scan can take"))?;
    let given = arguments.metadata()?;
    let metadata = of_scan(own, &given, Map::new(), &detectors, &motors, points);
    Ok(Scan::new(detectors, trajectory, metadata))
}

fn sides(arguments: &Arguments<'_>) -> Result<Vec<(DeviceRef, Vec<Value>)>, PlanError> {
    let wrong = |reason: String| PlanError::argument("args", reason);
    let rest = arguments.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(2) {
        return Err(wrong("have to be motor, [positions] for each motor".into()));
    }
    let side = |pair: &[Value]| {
        let motor = arguments.motor(&pair[0])?;
        match &pair[1] {
            Value::Array(positions) => Ok((motor, positions.clone())),
            _ => Err(wrong(format!("need a list of positions for {}", motor.name()))),
        }
    };
    rest.chunks(2).map(side).collect()
}

/// Which motors go back and forth, and how Python writes what the user said about it.
fn snaking(
    arguments: &Arguments<'_>,
    motors: &[DeviceRef],
) -> Result<(Vec<bool>, String), PlanError> {
    let all_but_the_slowest = |snakes: bool| (0..motors.len()).map(|at| snakes && at > 0).collect();
    match arguments.named_or("snake_axes", json!(false)) {
        Value::Null => Ok((all_but_the_slowest(false), "None".into())),
        Value::Bool(false) => Ok((all_but_the_slowest(false), "False".into())),
        Value::Bool(true) => Ok((all_but_the_slowest(true), "True".into())),
        Value::Array(listed) => {
            let listed =
                listed.iter().map(|name| arguments.motor(name)).collect::<Result<Vec<_>, _>>()?;
            let snakes =
                |motor: &DeviceRef| listed.iter().any(|other| DeviceRef::ptr_eq(other, motor));
            let written: Vec<_> = listed.iter().map(|motor| motor.representation()).collect();
            let written = format!("[{}]", written.join(", "));
            Ok((motors.iter().map(snakes).collect(), written))
        }
        other => Err(PlanError::argument(
            "snake_axes",
            format!("is neither a list of motors nor a boolean: {other}"),
        )),
    }
}

/// The lowest and the highest of `positions`, as they were written.
fn extent(positions: &[Value]) -> Result<[Value; 2], PlanError> {
    let mut lowest: Option<(f64, &Value)> = None;
    let mut highest: Option<(f64, &Value)> = None;
    for written in positions {
        let position = number("args", written)?;
        if lowest.is_none_or(|(lowest, _)| position < lowest) {
            lowest = Some((position, written));
        }
        if highest.is_none_or(|(highest, _)| position > highest) {
            highest = Some((position, written));
        }
    }
    match (lowest, highest) {
        (Some((_, lowest)), Some((_, highest))) => Ok([lowest.clone(), highest.clone()]),
        _ => Err(PlanError::argument("args", "need at least one position for each motor")),
    }
}

/// Positions of a snaked grid go through an array, in which one float makes all numbers floats.
fn of_one_type(positions: Vec<Value>) -> Vec<Value> {
    if positions.iter().all(Value::is_i64) {
        return positions;
    }
    positions.iter().map(|position| position.as_f64().map_or(Value::Null, Value::from)).collect()
}
