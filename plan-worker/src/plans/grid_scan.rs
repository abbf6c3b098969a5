//! `grid_scan` and `rel_grid_scan`: every combination of the motors' positions.

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, MOST_POINTS, count_of, each_once, number};
use super::metadata::{PATTERN_MODULE, of_scan, own_dimensions, representations};
use super::signature::{Parameter, Signature};
use super::step_scan::Scan;
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, PER_STEP, PlanError};
use crate::devices::DeviceRef;
use crate::engine::plan::Plan;

const ARGS: Parameter =
    Parameter::rest("args", "`motor, start, stop, num` for each motor, the slowest first.");
const SNAKE_AXES: Parameter = Parameter::keyword(
    "snake_axes",
    "Which motors go back and forth: true for all but the slowest, or a list of motors.",
)
.of("collections.abc.Iterable[typing.Any] | bool | None");

pub(super) const GRID_SCAN: Signature = Signature {
    name: "grid_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move motors over a grid and read detectors at each point.",
    parameters: &[DETECTORS, ARGS, SNAKE_AXES, PER_STEP, MD],
};

pub(super) const REL_GRID_SCAN: Signature = Signature {
    name: "rel_grid_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like grid_scan, around where the motors are, and back there at the end.",
    parameters: &[DETECTORS, ARGS.of_devices("__MOVABLE__ | typing.Any"), SNAKE_AXES, PER_STEP, MD],
};

pub(super) fn grid_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(grid("grid_scan", arguments)?.absolute("grid_scan"))
}

pub(super) fn rel_grid_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(grid("rel_grid_scan", arguments)?.relative("rel_grid_scan"))
}

/// One motor of the call.
struct Side {
    motor: DeviceRef,
    start: Value,
    stop: Value,
    num: Value,
    snake: bool,
}

fn grid(name: &'static str, arguments: &Arguments<'_>) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    let sides = sides(arguments)?;

    let mut axes = Vec::new();
    let mut written = Vec::new();
    for (position, side) in sides.iter().enumerate() {
        written.push(json!(side.motor.representation()));
        written.extend([side.start.clone(), side.stop.clone(), side.num.clone()]);
        if position > 0 {
            written.push(json!(side.snake));
        }
        axes.push(Axis {
            motor: DeviceRef::clone(&side.motor),
            positions: Positions::Even {
                start: number("args", &side.start)?,
                stop: number("args", &side.stop)?,
                num: count_of("args", &side.num)?,
            },
            snake: side.snake,
        });
    }
    let trajectory = Trajectory::Grid(axes);
    let motors = trajectory.motors();
    let points = trajectory
        .points()
        .filter(|points| *points <= MOST_POINTS)
        .ok_or_else(|| PlanError::argument("args", "have more points than a scan can take"))?;

    let own = json!({
        "shape": sides.iter().map(|side| &side.num).collect::<Vec<_>>(),
        "extents": sides.iter().map(|side| [&side.start, &side.stop]).collect::<Vec<_>>(),
        "snaking": sides.iter().map(|side| side.snake).collect::<Vec<_>>(),
        "plan_args": {
            "detectors": representations(&detectors),
            "args": written,
            "per_step": "None",
        },
        "plan_name": name,
        "plan_pattern": "outer_product",
        "plan_pattern_args": { "args": written },
        "plan_pattern_module": PATTERN_MODULE,
        "motors": super::metadata::names(&motors),
    });
    let mut hints = Map::new();
    hints.insert("gridding".into(), json!("rectilinear"));
    if let Some(dimensions) = own_dimensions(&motors) {
        hints.insert("dimensions".into(), dimensions);
    }
    let given = arguments.metadata()?;
    let metadata = of_scan(own, &given, hints, &detectors, &motors, points);
    Ok(Scan::new(detectors, trajectory, metadata))
}

fn sides(arguments: &Arguments<'_>) -> Result<Vec<Side>, PlanError> {
    let (mut sides, snakes_given) = match split(arguments, 4) {
        Some(sides) => (sides?, false),
        None => match split(arguments, 5) {
            Some(sides) => (sides?, true),
            None => {
                return Err(PlanError::argument(
                    "args",
                    "have to be motor, start, stop, num for each motor",
                ));
            }
        },
    };
    let motors: Vec<DeviceRef> = sides.iter().map(|side| DeviceRef::clone(&side.motor)).collect();
    each_once(&motors)?;

    let wrong = |reason: String| PlanError::argument("snake_axes", reason);
    match arguments.given("snake_axes") {
        None => {}
        Some(_) if snakes_given => {
            return Err(wrong("cannot be mixed with snake arguments within args".into()));
        }
        Some(Value::Bool(all)) => sides.iter_mut().skip(1).for_each(|side| side.snake = *all),
        Some(Value::Array(names)) => {
            let snaking =
                names.iter().map(|name| arguments.motor(name)).collect::<Result<Vec<_>, _>>()?;
            for motor in &snaking {
                match motors.iter().position(|known| DeviceRef::ptr_eq(known, motor)) {
                    Some(0) => {
                        return Err(wrong(format!("has the slowest motor {}", motor.name())));
                    }
                    Some(position) if sides[position].snake => {
                        return Err(wrong(format!("has the motor {} twice", motor.name())));
                    }
                    Some(position) => sides[position].snake = true,
                    None => {
                        let name = motor.name();
                        return Err(wrong(format!("has {name}, which the scan does not move")));
                    }
                }
            }
        }
        Some(other) => {
            return Err(wrong(format!("is neither a list of motors nor a boolean: {other}")));
        }
    }
    Ok(sides)
}

/// Splits the positions into motors of `width` values each; the first never has a snake argument. `None` if they are not so.
fn split(arguments: &Arguments<'_>, width: usize) -> Option<Result<Vec<Side>, PlanError>> {
    let rest = arguments.rest();
    if rest.len() < 4 {
        return None;
    }
    let (first, further) = rest.split_at(4);
    let begins_right = |part: &[Value]| part.first().is_some_and(|name| name.is_string());
    let fits = further.len().is_multiple_of(width)
        && begins_right(first)
        && further.chunks(width).all(begins_right);
    if !fits {
        return None;
    }
    let side = |part: &[Value]| {
        Ok(Side {
            motor: arguments.motor(&part[0])?,
            start: part[1].clone(),
            stop: part[2].clone(),
            num: part[3].clone(),
            snake: part.get(4) == Some(&Value::Bool(true)),
        })
    };
    Some(std::iter::once(first).chain(further.chunks(width)).map(side).collect())
}
