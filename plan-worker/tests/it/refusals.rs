//! Calls that make no plan: each is told why, before anything moves.

use plan_worker::environment::Devices;
use plan_worker::plans;
use serde_json::{Value, json};

use crate::recorder::{call, none};

fn refusal(name: &str, args: Value, kwargs: Value) -> String {
    plans::build(&call(name, args, kwargs), &Devices::simulated()).unwrap_err().to_string()
}

#[test]
fn plans_that_need_what_no_wire_carries_are_neither_offered_nor_run() {
    for (name, reason) in [
        ("ramp_plan", "it takes Python functions"),
        ("scan_nd", "it takes a cycler, which is a Python object"),
        ("tweak", "it asks somebody at a terminal for each step"),
    ] {
        assert!(!plans::descriptions().contains_key(name));
        let expected = format!("Plan '{name}' cannot be run by this engine: {reason}");
        assert_eq!(refusal(name, json!([]), none()), expected);
    }
    assert_eq!(
        refusal("nothing", json!([]), none()),
        "Plan 'nothing' is not in the list of plans of this environment."
    );
}

#[test]
fn every_plan_refuses_a_python_function() {
    for (name, hook) in plans::descriptions().iter().flat_map(|(name, plan)| {
        let parameters = plan["parameters"].as_array().unwrap();
        let hooks = parameters.iter().filter_map(|parameter| parameter["name"].as_str());
        hooks.filter(|hook| hook.starts_with("per_")).map(move |hook| (name, hook))
    }) {
        let positions: Vec<_> = (0..arity(name)).map(|_| json!(1)).collect();
        let said = refusal(name, json!(positions), json!({ hook: "mine" }));
        let expected =
            format!("Parameter '{hook}' takes a Python function, which this engine cannot run");
        assert_eq!(said, expected, "{name}");
    }
}

/// How many positions a plan needs.
fn arity(plan: &str) -> usize {
    let plan = &plans::descriptions()[plan];
    let needed = |parameter: &&Value| {
        parameter["kind"]["name"] == "POSITIONAL_OR_KEYWORD" && parameter.get("default").is_none()
    };
    plan["parameters"].as_array().unwrap().iter().filter(needed).count()
}

#[test]
fn a_spiral_without_a_shape_or_an_end_is_refused() {
    let shapeless = "the spiral has no shape: dr, dr_y, nth and factor must not be 0";
    let endless = "the spiral has more points than a scan can take";
    let spiral = |dr: f64, dense: f64, kwargs| {
        let args = json!([["det"], "motor", "motor1", 0, 0, 1, 1, dr, dense]);
        [
            refusal("spiral", args.clone(), Value::clone(&kwargs)),
            refusal("spiral_fermat", args, kwargs),
        ]
    };
    assert_eq!(spiral(0.0, 1.0, none()), [shapeless; 2]);
    assert_eq!(spiral(0.1, 0.0, none()), [shapeless; 2]);
    assert_eq!(spiral(0.1, 1.0, json!({"dr_y": 0})), [shapeless; 2]);
    assert_eq!(spiral(1e-9, 1.0, none()), [endless; 2]);
    assert_eq!(spiral(0.1, 1e12, none()), [endless; 2]);

    let square = |x_num: Value, y_num| {
        let args = json!([["det"], "motor", "motor1", 0, 0, 1, 1, x_num, y_num]);
        refusal("spiral_square", args, none())
    };
    assert_eq!(
        square(json!(3), 1),
        "a square spiral needs at least two points along x and along y"
    );
    assert_eq!(square(json!(100_000), 2), endless);
    assert_eq!(square(json!(2.5), 2), "Parameter 'x_num' has to be a whole number, not 2.5");
    assert_eq!(
        refusal("rel_spiral", json!([["det"], "motor", "motor", 1, 1, 0.1, 1]), none()),
        "Parameter 'args' list the motor motor more than once"
    );
}

#[test]
fn steps_that_lead_nowhere_are_refused() {
    let adaptive = |min, max, threshold: Value| {
        let args = json!([["det"], "det", "motor", 0, 1, min, max, 0.1, true, threshold]);
        refusal("adaptive_scan", args, none())
    };
    assert_eq!(
        adaptive(1.0, 0.5, json!(0.8)),
        "Parameter 'min_step' has to be above 0 and below max_step"
    );
    assert_eq!(
        adaptive(0.1, 0.5, Value::Null),
        "Parameter 'threshold' needs a number instead of null"
    );
    let tune = |min_step, num, step_factor| {
        let args = json!([["det"], "det", "motor", 0, 1, min_step, num, step_factor]);
        refusal("tune_centroid", args, none())
    };
    assert_eq!(tune(0.0, 5, 2.0), "Parameter 'min_step' has to be above 0");
    assert_eq!(tune(0.1, 1, 2.0), "Parameter 'num' has to be at least 2");
    assert_eq!(tune(0.1, 5, 1.0), "Parameter 'step_factor' has to be above 1");
}

#[test]
fn positions_that_make_no_grid_are_refused() {
    let grid = |args, kwargs| refusal("list_grid_scan", args, kwargs);
    assert_eq!(
        grid(json!([["det"], "motor"]), none()),
        "Parameter 'args' have to be motor, [positions] for each motor"
    );
    assert_eq!(
        grid(json!([["det"], "motor", [], "motor1", [1]]), none()),
        "Parameter 'args' need at least one position for each motor"
    );
    assert_eq!(
        grid(json!([["det"], "motor", [1]]), json!({"snake_axes": 1})),
        "Parameter 'snake_axes' is neither a list of motors nor a boolean: 1"
    );
    assert_eq!(
        refusal("abs_set", json!(["motor", 1, 2]), none()),
        "Parameter 'args' have to be one value"
    );
    assert_eq!(refusal("abs_set", json!(["det", 1]), none()), "device 'det' cannot be moved");
    assert_eq!(refusal("fly", json!([["det"]]), none()), "device 'det' cannot fly");
}
