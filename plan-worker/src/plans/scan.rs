//! `scan` and `rel_scan`: one or more motors in even steps, together.

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, count_of, each_once, number};
use super::metadata::{PATTERN_MODULE, of_scan, representations, shared_dimension};
use super::signature::{Parameter, Signature};
use super::steps::{from_here_and_back, in_run, staged, step_through};
use super::trajectory::{Axis, Positions, Trajectory};
use super::{DETECTORS, MD, PER_STEP, PlanError};
use crate::devices::DeviceRef;
use crate::engine::message::Thrown;
use crate::engine::plan::{Messages, Plan};

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
    let prepared = even_steps("scan", arguments)?;
    Ok(Plan::new("scan", |messages| async move { prepared.carry_out(&messages).await }))
}

pub(super) fn rel_scan(arguments: &Arguments<'_>) -> Result<Plan, PlanError> {
    Ok(even_steps("rel_scan", arguments)?.relative("rel_scan"))
}

/// A scan, ready to go.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) detectors: Vec<DeviceRef>,
    pub(super) trajectory: Trajectory,
    pub(super) metadata: Map<String, Value>,
}

impl Scan {
    pub(super) async fn carry_out(self, messages: &Messages) -> Result<(), Thrown> {
        let mut devices = self.detectors.clone();
        devices.extend(self.trajectory.motors());
        let steps = step_through(messages, &self.detectors, &self.trajectory);
        staged(messages, &devices, in_run(messages, self.metadata, steps)).await
    }

    /// The plan that takes the positions as distances from where the motors are.
    pub(super) fn relative(self, name: &'static str) -> Plan {
        Plan::new(name, |messages| async move {
            let motors = self.trajectory.motors();
            from_here_and_back(&messages, motors, |messages| async move {
                self.carry_out(&messages).await
            })
            .await
        })
    }
}

fn even_steps(name: &'static str, arguments: &Arguments<'_>) -> Result<Scan, PlanError> {
    let detectors = arguments.detectors()?;
    let (moves, num) = match (arguments.given("num"), arguments.rest()) {
        (Some(num), moves) => {
            if count_of("num", num)? == 0 {
                return Err(PlanError::argument("num", "has to be at least 1"));
            }
            (moves, num.clone())
        }
        (None, [moves @ .., num]) if moves.len() % 3 == 0 => (moves, num.clone()),
        (None, _) => {
            return Err(PlanError::argument(
                "num",
                "is missing: the number of points is the last position, or num=…",
            ));
        }
    };
    if moves.is_empty() || moves.len() % 3 != 0 {
        return Err(PlanError::argument("args", "have to be motor, start, stop for each motor"));
    }
    let points = count_of("num", &num)?;

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
    Ok(Scan { detectors, trajectory, metadata })
}
