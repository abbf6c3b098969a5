//! `spiral_square` and `rel_spiral_square`: a grid of two motors, from its middle outwards.

use serde_json::{Map, json};

use super::arguments::{Arguments, count_of, each_once, number};
use super::metadata::{of_scan, own_dimensions, representations};
use super::signature::{Parameter, Signature};
use super::spiral::together;
use super::spiral_paths::Square;
use super::step_scan::Scan;
use super::{DETECTORS, MD, PER_STEP, PlanError, X_MOTOR, X_RANGE, Y_MOTOR, Y_RANGE};
use crate::devices::DeviceRef;
use crate::engine::plan::Plan;

const X_CENTER: Parameter = Parameter::positional("x_center", "Middle along x.").of("float");
const Y_CENTER: Parameter = Parameter::positional("y_center", "Middle along y.").of("float");
const X_NUM: Parameter = Parameter::positional("x_num", "Number of points along x.").of("float");
const Y_NUM: Parameter = Parameter::positional("y_num", "Number of points along y.").of("float");

pub(super) const SPIRAL_SQUARE: Signature = Signature {
    name: "spiral_square",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move two motors over a grid from its middle and read detectors at each point.",
    parameters: &[
        DETECTORS, X_MOTOR, Y_MOTOR, X_CENTER, Y_CENTER, X_RANGE, Y_RANGE, X_NUM, Y_NUM, PER_STEP,
        MD,
    ],
};

pub(super) const REL_SPIRAL_SQUARE: Signature = Signature {
    name: "rel_spiral_square",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like spiral_square, around where the motors are, and back there at the end.",
    parameters: &[DETECTORS, X_MOTOR, Y_MOTOR, X_RANGE, Y_RANGE, X_NUM, Y_NUM, PER_STEP, MD],
};

pub(super) fn spiral_square(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(outwards("spiral_square", arguments)?.absolute("spiral_square"))
}

pub(super) fn rel_spiral_square(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(outwards("rel_spiral_square", arguments)?.relative("rel_spiral_square"))
}

fn outwards(name: &'static str, arguments: &Arguments<'_>) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    let motors = [arguments.motor_of("x_motor")?, arguments.motor_of("y_motor")?];
    each_once(&motors)?;
    // A relative one has no center: its middle is where the motors are.
    let (x_center, y_center) =
        (arguments.named_or("x_center", json!(0)), arguments.named_or("y_center", json!(0)));
    let square = Square {
        x_center: number("x_center", &x_center)?,
        y_center: number("y_center", &y_center)?,
        x_range: arguments.number("x_range")?,
        y_range: arguments.number("y_range")?,
        x_num: count_of("x_num", arguments.value("x_num"))?,
        y_num: count_of("y_num", arguments.value("y_num"))?,
    };
    let path = square.rings()?;

    let Square { x_num, y_num, .. } = square;
    let extent = |center: f64, range: f64| [center - range / 2.0, center + range / 2.0];
    let own = json!({
        "plan_args": {
            "detectors": representations(&detectors),
            "x_motor": motors[0].representation(),
            "y_motor": motors[1].representation(),
            "x_center": x_center,
            "y_center": y_center,
            "x_range": arguments.value("x_range"),
            "y_range": arguments.value("y_range"),
            "x_num": x_num,
            "y_num": y_num,
            "per_step": "None",
        },
        "plan_name": name,
        "plan_pattern": "spiral_square",
        "shape": [y_num, x_num],
        "extents": [
            extent(square.y_center, square.y_range),
            extent(square.x_center, square.x_range),
        ],
        "motors": super::metadata::names(&motors),
    });
    let mut hints = Map::new();
    hints.insert("gridding".into(), json!("rectilinear_nonsequential"));
    let [x_motor, y_motor] = &motors;
    let slowest_first = [DeviceRef::clone(y_motor), DeviceRef::clone(x_motor)];
    if let Some(dimensions) = own_dimensions(&slowest_first) {
        hints.insert("dimensions".into(), dimensions);
    }
    let given = arguments.metadata()?;
    let metadata = of_scan(own, &given, hints, &detectors, &motors, path.x.len());
    Ok(Scan::new(detectors, together(&motors, path), metadata))
}
