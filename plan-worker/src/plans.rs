//! The plans of the native engine: bluesky's standard ones, with its parameters, documents and metadata.
//!
//! Each plan is a [`Signature`] that clients see and a function that turns a call into a [`Plan`]. To add one, write both in a
//! file of its own and name them in [`ALL`].

mod adaptive_scan;
mod arguments;
mod count;
mod fly;
mod grid_scan;
mod inner_product;
mod list_grid_scan;
mod list_scan;
mod log_scan;
mod metadata;
mod moves;
mod one_device;
mod scan;
pub mod signature;
mod spiral;
mod spiral_paths;
mod spiral_square;
mod step_scan;
mod steps;
pub mod trajectory;
mod tune_centroid;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::engine::plan::Plan;
use crate::environment::Devices;
use crate::protocol::PlanCall;
use arguments::Arguments;
use signature::{BindError, Parameter, Signature};
use spiral_paths::PathError;

/// Why a call makes no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// No plan of that name.
    #[error("Plan '{0}' is not in the list of plans of this environment.")]
    NoSuchPlan(String),
    /// A plan of bluesky that this engine has not, and why.
    #[error("Plan '{name}' cannot be run by this engine: {reason}")]
    Refused {
        /// Name of the plan.
        name: &'static str,
        /// What the engine lacks.
        reason: &'static str,
    },
    /// The arguments do not fit the parameters.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// A parameter has a value that the plan cannot use.
    #[error("Parameter '{name}' {reason}")]
    Argument {
        /// Name of the parameter.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that no device has.
    #[error("{0} is not a device of this environment")]
    NoSuchDevice(Value),
    /// A device that cannot be moved.
    #[error("device '{0}' cannot be moved")]
    NotMovable(String),
    /// A device that does not measure on its way.
    #[error("device '{0}' cannot fly")]
    NotFlyable(String),
    /// Numbers of which no path can be made.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A Python hook.
    #[error("Parameter '{0}' takes a Python function, which this engine cannot run")]
    Hook(&'static str),
}

impl PlanError {
    fn argument(name: &'static str, reason: impl Into<String>) -> Self {
        Self::Argument { name, reason: reason.into() }
    }
}

type Build = fn(&Arguments<'_>) -> Result<Plan, PlanError>;

/// Every plan.
const ALL: [(Signature, Build); 32] = [
    (one_device::ABS_SET, one_device::abs_set),
    (adaptive_scan::ADAPTIVE_SCAN, adaptive_scan::adaptive_scan),
    (count::COUNT, count::count),
    (fly::FLY, fly::fly),
    (grid_scan::GRID_SCAN, grid_scan::grid_scan),
    (inner_product::INNER_PRODUCT_SCAN, inner_product::inner_product_scan),
    (list_grid_scan::LIST_GRID_SCAN, list_grid_scan::list_grid_scan),
    (list_scan::LIST_SCAN, list_scan::list_scan),
    (log_scan::LOG_SCAN, log_scan::log_scan),
    (moves::MV, moves::mv),
    (moves::MVR, moves::mvr),
    (moves::NULL, moves::null),
    (adaptive_scan::REL_ADAPTIVE_SCAN, adaptive_scan::rel_adaptive_scan),
    (grid_scan::REL_GRID_SCAN, grid_scan::rel_grid_scan),
    (list_grid_scan::REL_LIST_GRID_SCAN, list_grid_scan::rel_list_grid_scan),
    (list_scan::REL_LIST_SCAN, list_scan::rel_list_scan),
    (log_scan::REL_LOG_SCAN, log_scan::rel_log_scan),
    (scan::REL_SCAN, scan::rel_scan),
    (one_device::REL_SET, one_device::rel_set),
    (spiral::REL_SPIRAL, spiral::rel_spiral),
    (spiral::REL_SPIRAL_FERMAT, spiral::rel_spiral_fermat),
    (spiral_square::REL_SPIRAL_SQUARE, spiral_square::rel_spiral_square),
    (inner_product::RELATIVE_INNER_PRODUCT_SCAN, inner_product::relative_inner_product_scan),
    (scan::SCAN, scan::scan),
    (moves::SLEEP, moves::sleep),
    (spiral::SPIRAL, spiral::spiral),
    (spiral::SPIRAL_FERMAT, spiral::spiral_fermat),
    (spiral_square::SPIRAL_SQUARE, spiral_square::spiral_square),
    (one_device::STOP, one_device::stop),
    (one_device::TRIGGER, one_device::trigger),
    (tune_centroid::TUNE_CENTROID, tune_centroid::tune_centroid),
    (inner_product::X2X_SCAN, inner_product::x2x_scan),
];

/// Plans of bluesky that are no plans here, so that nobody is offered them, with the reason for an item that is there already.
const REFUSED: [(&str, &str); 3] = [
    ("ramp_plan", "it takes Python functions"),
    ("scan_nd", "it takes a cycler, which is a Python object"),
    ("tweak", "it asks somebody at a terminal for each step"),
];

const MOVABLE: &str = "__MOVABLE__";
const DETECTORS: Parameter = Parameter::positional("detectors", "Devices to read at each point.")
    .of_devices("collections.abc.Sequence[__READABLE__]");
const MOTOR: Parameter = Parameter::positional("motor", "Motor to move.").of_devices(MOVABLE);
const X_MOTOR: Parameter =
    Parameter::positional("x_motor", "Motor that moves along x.").of_devices(MOVABLE);
const Y_MOTOR: Parameter =
    Parameter::positional("y_motor", "Motor that moves along y.").of_devices(MOVABLE);
const X_RANGE: Parameter = Parameter::positional("x_range", "Width along x.").of("float");
const Y_RANGE: Parameter = Parameter::positional("y_range", "Width along y.").of("float");
const PER_STEP: Parameter =
    Parameter::keyword("per_step", "Python function in place of the inner loop.");
const MD: Parameter = Parameter::keyword("md", "Further metadata for the start document.")
    .of("dict[str, typing.Any] | None");

/// `plans_existing`: name to description (contract queue-server §6.4).
pub fn descriptions() -> Map<String, Value> {
    ALL.iter().map(|(plan, _)| (plan.name.to_owned(), plan.description())).collect()
}

/// The plan that `call` asks for.
///
/// # Errors
/// [`PlanError`]; nothing has been done then.
pub fn build(call: &PlanCall, devices: &Devices) -> Result<Plan, PlanError> {
    let (signature, build) =
        ALL.iter().find(|(plan, _)| plan.name == call.name).ok_or_else(|| no_plan(&call.name))?;
    build(&Arguments::new(signature, call, devices)?)
}

fn no_plan(name: &str) -> PlanError {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some(&(name, reason)) => PlanError::Refused { name, reason },
        None => PlanError::NoSuchPlan(name.to_owned()),
    }
}
