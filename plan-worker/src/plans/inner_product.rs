//! `inner_product_scan`, `relative_inner_product_scan` and `x2x_scan`: `scan` and `rel_scan` under other parameters.

use serde_json::{Value, json};

use super::arguments::{Arguments, number};
use super::metadata::representations;
use super::scan::even_steps;
use super::signature::{Parameter, Signature};
use super::{DETECTORS, MD, MOVABLE, PER_STEP, PlanError};
use crate::engine::plan::Plan;

const PARAMETERS: &[Parameter] = &[
    DETECTORS,
    Parameter::positional("num", "Number of points.").of("int"),
    Parameter::rest("args", "`motor, start, stop` for each motor.")
        .of_devices("__MOVABLE__ | typing.Any"),
    PER_STEP,
    MD,
];

pub(super) const INNER_PRODUCT_SCAN: Signature = Signature {
    name: "inner_product_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "The scan of earlier years: like scan, with the number of points first.",
    parameters: PARAMETERS,
};

pub(super) const RELATIVE_INNER_PRODUCT_SCAN: Signature = Signature {
    name: "relative_inner_product_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "The rel_scan of earlier years: like rel_scan, with the number of points first.",
    parameters: PARAMETERS,
};

pub(super) const X2X_SCAN: Signature = Signature {
    name: "x2x_scan",
    module: "bluesky.plans",
    is_generator: true,
    description: "Move two motors from where they are, the second half as far, and back at the end.",
    parameters: &[
        DETECTORS,
        Parameter::positional("motor1", "Motor that moves the whole way.").of_devices(MOVABLE),
        Parameter::positional("motor2", "Motor that moves half as far.").of_devices(MOVABLE),
        Parameter::positional("start", "First distance of motor1 from where it is.").of("float"),
        Parameter::positional("stop", "Last distance of motor1 from where it is.").of("float"),
        Parameter::positional("num", "Number of points.").of("int"),
        PER_STEP,
        MD,
    ],
};

pub(super) fn inner_product_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let name = "inner_product_scan";
    Ok(even_steps(name, arguments, arguments.rest(), arguments.value("num"))?.absolute(name))
}

pub(super) fn relative_inner_product_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let name = "relative_inner_product_scan";
    Ok(even_steps(name, arguments, arguments.rest(), arguments.value("num"))?.relative(name))
}

pub(super) fn x2x_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    let name = "x2x_scan";
    let (start, stop) = (arguments.value("start"), arguments.value("stop"));
    let half = |name, whole| Ok::<_, PlanError>(Value::from(number(name, whole)? / 2.0));
    let moves = [
        arguments.value("motor1").clone(),
        start.clone(),
        stop.clone(),
        arguments.value("motor2").clone(),
        half("start", start)?,
        half("stop", stop)?,
    ];
    let num = arguments.value("num");
    let as_written = json!({
        "detectors": representations(&arguments.detectors()?),
        "motor1": arguments.motor_of("motor1")?.name(),
        "motor2": arguments.motor_of("motor2")?.name(),
        "start": start,
        "stop": stop,
        "num": num,
        "per_step": "None",
    });
    let scan = even_steps(name, arguments, &moves, num)?;
    let given = arguments.metadata()?.contains_key("plan_args");
    let scan = if given { scan } else { scan.saying("plan_args", as_written) };
    Ok(scan.relative(name))
}
