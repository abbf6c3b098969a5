//! User groups over the sockets: permissions that are set decide at once, and stay.

use serde_json::{Value, json};

use crate::fixture::{Machine, item, opened};

#[tokio::test]
async fn permissions_that_are_set_decide_what_is_listed_and_taken() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let refused = pod.post("/permissions/set", json!({"user_group_permissions": {}})).await;
    let text = refused["msg"].as_str().unwrap();
    assert!(text.starts_with("Error: 'user_groups' is a required property\n\n"), "{text}");
    let before = pod.get("/plans/allowed").await;
    let permissions = json!({"user_groups": {
        "root": {"allowed_plans": [null], "allowed_devices": [null]},
        "primary": {"allowed_plans": [":^qui"]},
    }});
    let wanted = json!({"user_group_permissions": permissions});
    pod.must("/permissions/set", wanted.clone()).await;
    let after = pod.get("/plans/allowed").await;
    let names: Vec<_> = after["plans_allowed"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["quick"]);
    assert_ne!(before["plans_allowed_uid"], after["plans_allowed_uid"]);
    assert_eq!(pod.get("/permissions/get").await["user_group_permissions"], permissions);
    pod.add("quick").await;
    let other = pod.post("/queue/item/add", json!({ "item": item("other") })).await;
    let text = other["msg"].as_str().unwrap();
    assert!(text.contains("Plan 'other' is not in the list of allowed plans."), "{text}");
    pod.must("/permissions/set", wanted).await;
    let same = pod.get("/plans/allowed").await;
    assert_eq!(same["plans_allowed_uid"], after["plans_allowed_uid"], "nothing changed");
    pod.must("/permissions/reload", json!({})).await;
    let reloaded = pod.get("/plans/allowed").await;
    assert_ne!(reloaded["plans_allowed_uid"], after["plans_allowed_uid"]);
    let schemas = pod.get("/plans/schema").await;
    assert_eq!(schemas["plans_schema"]["quick"]["type"], "object");
    assert_eq!(schemas["plans_schema"]["other"], Value::Null);
    pod.stop().await;
}
