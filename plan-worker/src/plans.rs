//! The plans of the native engine: bluesky's standard ones, with its parameters, documents and metadata.
//!
//! Each plan is a [`Signature`] that clients see and a function that turns a call into a [`Plan`]. To add one, write both in a
//! file of its own and name them in [`ALL`].

mod arguments;
mod count;
mod grid_scan;
mod list_scan;
mod metadata;
mod moves;
mod scan;
pub mod signature;
mod steps;
pub mod trajectory;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::engine::plan::Plan;
use crate::environment::Devices;
use crate::protocol::PlanCall;
use arguments::Arguments;
use signature::{BindError, Parameter, Signature};

/// Why a call makes no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// No plan of that name.
    #[error("Plan '{0}' is not in the list of plans of this environment.")]
    NoSuchPlan(String),
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
const ALL: [(Signature, Build); 11] = [
    (count::COUNT, count::count),
    (grid_scan::GRID_SCAN, grid_scan::grid_scan),
    (list_scan::LIST_SCAN, list_scan::list_scan),
    (moves::MV, moves::mv),
    (moves::MVR, moves::mvr),
    (moves::NULL, moves::null),
    (grid_scan::REL_GRID_SCAN, grid_scan::rel_grid_scan),
    (list_scan::REL_LIST_SCAN, list_scan::rel_list_scan),
    (scan::REL_SCAN, scan::rel_scan),
    (scan::SCAN, scan::scan),
    (moves::SLEEP, moves::sleep),
];

const DETECTORS: Parameter = Parameter::positional("detectors", "Devices to read at each point.")
    .of_devices("collections.abc.Sequence[__READABLE__]");
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
    let (signature, build) = ALL
        .iter()
        .find(|(plan, _)| plan.name == call.name)
        .ok_or_else(|| PlanError::NoSuchPlan(call.name.clone()))?;
    build(&Arguments::new(signature, call, devices)?)
}
