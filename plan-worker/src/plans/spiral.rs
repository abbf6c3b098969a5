//! `spiral`, `spiral_fermat` and their relative forms: two motors outwards through an ellipse.

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, each_once, number};
use super::metadata::{PATTERN_MODULE, of_scan, own_dimensions, representations};
use super::signature::{Parameter, Signature};
use super::spiral_paths::{Ellipse, Path, PathError};
use super::step_scan::Scan;
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, PER_STEP, PlanError, X_MOTOR, X_RANGE, Y_MOTOR, Y_RANGE};
use crate::devices::DeviceRef;
use crate::engine::plan::Plan;

const X_START: Parameter = Parameter::positional("x_start", "Middle along x.").of("float");
const Y_START: Parameter = Parameter::positional("y_start", "Middle along y.").of("float");
const DR: Parameter = Parameter::positional("dr", "Distance of the rings along x.").of("float");
const NTH: Parameter =
    Parameter::positional("nth", "Points by which each ring exceeds the one inside.").of("float");
const FACTOR: Parameter =
    Parameter::positional("factor", "Divisor of dr: the higher, the denser.").of("float");
const DR_Y: Parameter =
    Parameter::keyword("dr_y", "Distance along y, if another than dr.").of("float | None");
const TILT: Parameter = Parameter::keyword("tilt", "Tilt of the ellipse, in radians.").or("0.0");

pub(super) const SPIRAL: Signature = Signature {
    name: "spiral",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move two motors along rings around a middle and read detectors at each point.",
    parameters: &[
        DETECTORS,
        X_MOTOR,
        Y_MOTOR,
        X_START,
        Y_START,
        X_RANGE,
        Y_RANGE,
        DR,
        NTH,
        DR_Y,
        TILT.of("float | None"),
        PER_STEP,
        MD,
    ],
};

pub(super) const REL_SPIRAL: Signature = Signature {
    name: "rel_spiral",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like spiral, around where the motors are, and back there at the end.",
    parameters: &[
        DETECTORS,
        X_MOTOR,
        Y_MOTOR,
        X_RANGE,
        Y_RANGE,
        DR,
        NTH,
        DR_Y,
        TILT.of("float"),
        PER_STEP,
        MD,
    ],
};

pub(super) const SPIRAL_FERMAT: Signature = Signature {
    name: "spiral_fermat",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move two motors along a Fermat spiral and read detectors at each point.",
    parameters: &[
        DETECTORS,
        X_MOTOR,
        Y_MOTOR,
        X_START,
        Y_START,
        X_RANGE,
        Y_RANGE,
        DR,
        FACTOR,
        DR_Y,
        TILT.of("float | None"),
        PER_STEP,
        MD,
    ],
};

pub(super) const REL_SPIRAL_FERMAT: Signature = Signature {
    name: "rel_spiral_fermat",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like spiral_fermat, around where the motors are, and back there at the end.",
    parameters: &[
        DETECTORS,
        X_MOTOR,
        Y_MOTOR,
        X_RANGE,
        Y_RANGE,
        DR,
        FACTOR,
        DR_Y,
        TILT.of("float | None"),
        PER_STEP,
        MD,
    ],
};

pub(super) fn spiral(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(outwards("spiral", &RINGS, arguments)?.absolute("spiral"))
}

pub(super) fn rel_spiral(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(outwards("rel_spiral", &RINGS, arguments)?.relative("rel_spiral"))
}

pub(super) fn spiral_fermat(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(outwards("spiral_fermat", &FERMAT, arguments)?.absolute("spiral_fermat"))
}

pub(super) fn rel_spiral_fermat(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(outwards("rel_spiral_fermat", &FERMAT, arguments)?.relative("rel_spiral_fermat"))
}

/// One of the two spirals.
struct Pattern {
    name: &'static str,
    /// The parameter that says how dense it is.
    density: &'static str,
    path: fn(&Ellipse, f64) -> Result<Path, PathError>,
}

const RINGS: Pattern = Pattern { name: "spiral", density: "nth", path: Ellipse::rings };
const FERMAT: Pattern = Pattern { name: "spiral_fermat", density: "factor", path: Ellipse::fermat };

fn outwards(
    name: &'static str,
    pattern: &Pattern,
    arguments: &Arguments<'_>,
) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    let motors = [arguments.motor_of("x_motor")?, arguments.motor_of("y_motor")?];
    each_once(&motors)?;
    // A relative spiral has no start: its middle is where the motors are.
    let (x_start, y_start) =
        (arguments.named_or("x_start", json!(0)), arguments.named_or("y_start", json!(0)));
    let (x_range, y_range) = (arguments.value("x_range"), arguments.value("y_range"));
    let tilt = arguments.named_or("tilt", json!(0.0));
    let ellipse = Ellipse {
        x_start: number("x_start", &x_start)?,
        y_start: number("y_start", &y_start)?,
        x_range: number("x_range", x_range)?,
        y_range: number("y_range", y_range)?,
        dr: arguments.number("dr")?,
        dr_y: arguments.given("dr_y").map(|dr_y| number("dr_y", dr_y)).transpose()?,
        tilt: number("tilt", &tilt)?,
    };
    let path = (pattern.path)(&ellipse, arguments.number(pattern.density)?)?;

    let mut pattern_args = Map::new();
    for (key, value) in [
        ("x_motor", json!(motors[0].representation())),
        ("y_motor", json!(motors[1].representation())),
        ("x_start", x_start.clone()),
        ("y_start", y_start.clone()),
        ("x_range", x_range.clone()),
        ("y_range", y_range.clone()),
        ("dr", arguments.value("dr").clone()),
        (pattern.density, arguments.value(pattern.density).clone()),
        ("dr_y", arguments.value("dr_y").clone()),
        ("tilt", tilt),
    ] {
        pattern_args.insert(key.to_owned(), value);
    }
    let mut plan_args = pattern_args.clone();
    plan_args.insert("detectors".to_owned(), representations(&detectors));
    plan_args.insert("per_step".to_owned(), json!("None"));
    let own = json!({
        "plan_args": plan_args,
        "extents": [around(&x_start, x_range), around(&y_start, y_range)],
        "plan_name": name,
        "plan_pattern": pattern.name,
        "plan_pattern_module": PATTERN_MODULE,
        "plan_pattern_args": pattern_args,
        "motors": super::metadata::names(&motors),
    });
    let hints = own_dimensions(&motors).map(|own| ("dimensions".to_owned(), own));
    let given = arguments.metadata()?;
    let hints = hints.into_iter().collect();
    let metadata = of_scan(own, &given, hints, &detectors, &motors, path.x.len());
    Ok(Scan::new(detectors, together(&motors, path), metadata))
}

/// Both motors along `path`.
pub(super) fn together([x_motor, y_motor]: &[DeviceRef; 2], path: Path) -> Trajectory {
    let axis = |motor: &DeviceRef, positions| Axis {
        motor: DeviceRef::clone(motor),
        positions: Positions::Computed(positions),
        snake: false,
    };
    Trajectory::Together(vec![axis(x_motor, path.x), axis(y_motor, path.y)])
}

/// From `range` below `middle` to `range` above it; integers stay integers.
fn around(middle: &Value, range: &Value) -> Value {
    if let (Some(middle), Some(range)) = (middle.as_i64(), range.as_i64()) {
        return json!([middle.saturating_sub(range), middle.saturating_add(range)]);
    }
    match (middle.as_f64(), range.as_f64()) {
        (Some(middle), Some(range)) => json!([middle - range, middle + range]),
        _ => Value::Null,
    }
}
