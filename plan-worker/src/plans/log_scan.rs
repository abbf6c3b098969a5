//! `log_scan` and `rel_log_scan`: one motor in steps that grow by the same factor.

use serde_json::{Map, json};

use super::arguments::{Arguments, count_of};
use super::metadata::{of_scan, representations};
use super::signature::{Parameter, Signature};
use super::step_scan::Scan;
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, MOTOR, PER_STEP, PlanError};
use crate::devices::DeviceRef;
use crate::engine::plan::Plan;

const START: Parameter =
    Parameter::positional("start", "Power of ten of the first position.").of("float");
const STOP: Parameter =
    Parameter::positional("stop", "Power of ten of the last position.").of("float");
const NUM: Parameter = Parameter::positional("num", "Number of points.").of("int");
const MD_OF_ANY_TYPE: Parameter =
    Parameter::keyword("md", "Further metadata for the start document.");

pub(super) const LOG_SCAN: Signature = Signature {
    name: "log_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move a motor in logarithmic steps and read detectors at each.",
    parameters: &[DETECTORS, MOTOR, START, STOP, NUM, PER_STEP, MD_OF_ANY_TYPE],
};

pub(super) const REL_LOG_SCAN: Signature = Signature {
    name: "rel_log_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Like log_scan, from where the motor is, and back there at the end.",
    parameters: &[DETECTORS, MOTOR, START, STOP, NUM, PER_STEP, MD],
};

pub(super) fn log_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(logarithmic("log_scan", arguments)?.absolute("log_scan"))
}

pub(super) fn rel_log_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(logarithmic("rel_log_scan", arguments)?.relative("rel_log_scan"))
}

fn logarithmic(name: &'static str, arguments: &Arguments<'_>) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    let motor = arguments.motor_of("motor")?;
    let num = count_of("num", arguments.value("num"))?;
    let positions = Positions::PowersOfTen {
        start: arguments.number("start")?,
        stop: arguments.number("stop")?,
        num,
    };
    let (start, stop) = (arguments.value("start"), arguments.value("stop"));
    let own = json!({
        "motors": [motor.name()],
        "plan_args": {
            "detectors": representations(&detectors),
            "num": num,
            "start": start,
            "stop": stop,
            "motor": motor.representation(),
            "per_step": "None",
        },
        "plan_name": name,
        "plan_pattern": "logspace",
        "plan_pattern_module": "numpy",
        "plan_pattern_args": { "start": start, "stop": stop, "num": num },
    });
    let motors = [DeviceRef::clone(&motor)];
    let given = arguments.metadata()?;
    let metadata = of_scan(own, &given, Map::new(), &detectors, &motors, num);
    let trajectory = Trajectory::Together(vec![Axis { motor, positions, snake: false }]);
    Ok(Scan::new(detectors, trajectory, metadata).sending_motors_again())
}
