//! What clients are told of plans and devices, beside what bluesky-queueserver tells.

use plan_worker::devices::descriptions;
use plan_worker::environment::Devices;
use plan_worker::plans;
use serde_json::{Value, json};

use crate::python;

#[tokio::test]
async fn plans_and_devices_are_described_as_the_real_queue_server_does() {
    let request = json!({ "names": plans::descriptions().keys().collect::<Vec<_>>() });
    let Some(theirs) = python::call("queueserver_reference.py", &request).await else { return };

    for (name, ours) in plans::descriptions() {
        let theirs = &theirs["plans"][&name];
        for key in ["name", "module", "properties"] {
            assert_eq!(ours[key], theirs[key], "{name}: {key}");
        }
        assert!(!ours["description"].as_str().unwrap().is_empty());
        assert_eq!(parameters(&ours), parameters(theirs), "{name}");
    }

    let devices = Devices::simulated();
    let ours = descriptions::describe(devices.iter());
    assert!(ours.len() >= 30);
    for (name, ours) in ours {
        assert_eq!(ours, theirs["devices"][&name], "{name}");
    }
}

/// The parameters without the sentences about them.
fn parameters(plan: &Value) -> Vec<Value> {
    let mut parameters = plan["parameters"].as_array().unwrap().clone();
    for parameter in &mut parameters {
        parameter.as_object_mut().unwrap().remove("description");
    }
    parameters
}

#[test]
fn parts_of_devices_are_found_under_their_dotted_names() {
    let devices = Devices::simulated();
    assert_eq!(devices.get("motor1.setpoint").unwrap().name(), "motor1_setpoint");
    assert_eq!(devices.get("det.val").unwrap().name(), "det");
    assert!(devices.get("motor1.nothing").is_none());
    assert!(devices.get("nothing").is_none());
}
