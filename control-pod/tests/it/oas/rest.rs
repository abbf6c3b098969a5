//! The routes (contract §2).

use channels::PvValue;
use control_pod::{OasSettings, Settings};
use serde_json::{Value, json};
use service::settings::JsonList;

use super::{ask, keys};
use crate::socket::Socket;
use crate::support::{Control, oas_settings, pinhole, settings};

async fn beamline() -> Control {
    let control = Control::start(settings()).await;
    control.pvs.add("IOC:m1", 2.5);
    control.signal("m1", "IOC:m1").await;
    control.pvs.add("mini:ph:det", 7.0);
    control.pvs.add("mini:ph:exp", 1.0);
    pinhole(&control).await;
    control
}

#[tokio::test]
async fn the_root_says_where_everything_is_and_everything_is_there() {
    let control = beamline().await;
    let (status, root) = ask(&control, "GET", "/", None).await;
    assert_eq!((status, &root["message"]), (200, &json!("Ophyd WebSocket Server")));
    let host = control.oas.unwrap();
    let sockets = root["endpoints"]["websockets"].as_object().unwrap().clone();
    assert_eq!(sockets["pv_socket"], format!("ws://{host}/api/v1/pv-socket"));
    for url in root["endpoints"]["rest_api"].as_object().unwrap().values() {
        assert_eq!(reqwest::get(url.as_str().unwrap()).await.unwrap().status(), 200, "{url}");
    }
    let (_, about) = ask(&control, "GET", "/api/v1/websockets", None).await;
    let described = about["websockets"].as_object().unwrap();
    assert_eq!(described.keys().collect::<Vec<_>>(), sockets.keys().collect::<Vec<_>>());
    for (name, socket) in described {
        let mut open = Socket::open_oas(&control, socket["endpoint"].as_str().unwrap()).await;
        for action in socket["actions"].as_array().into_iter().flatten() {
            open.send(json!({ "action": action })).await;
            let answer = open.next().await.to_string();
            assert!(!answer.contains("actions must be"), "{name} {action}: {answer}");
        }
    }
    for path in ["/health", "/api/v1/health", "/ready", "/metrics", "/openapi.json", "/docs"] {
        assert_eq!(ask(&control, "GET", path, None).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn the_interface_has_the_names_that_upstream_gives_it() {
    let control = beamline().await;
    let (_, document) = ask(&control, "GET", "/openapi.json", None).await;
    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<String> = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    for name in [
        "load_devices_from_startup_api_v1_load_devices_post",
        "list_devices_api_v1_devices_get",
        "set_device_value_api_v1_devices_put",
        "get_device_info_api_v1_devices__device_name__get",
        "get_all_devices_info_api_v1_devices_info_get",
        "get_queue_server_status_endpoint_api_v1_queue_server_status_get",
        "list_connected_pvs_api_v1_pvs_get",
        "set_pv_value_api_v1_pvs_put",
        "read_pv_value_api_v1_pvs__pv__get",
        "connect_to_pv_api_v1_pvs__pv__post",
        "list_websockets_api_v1_websockets_get",
        "read_root__get",
    ] {
        assert!(operations.iter().any(|operation| operation == name), "{name} in {operations:?}");
    }
}

#[tokio::test]
async fn devices_are_listed_and_told() {
    let control = beamline().await;
    let (_, list) = ask(&control, "GET", "/api/v1/devices", None).await;
    assert_eq!(
        list.to_string(),
        r#"{"devices":["m1","pinhole"],"count":2,"message":"Found 2 devices in registry"}"#
    );
    let (_, m1) = ask(&control, "GET", "/api/v1/devices/m1", None).await;
    assert_eq!(
        keys(&m1),
        ["name", "type", "class", "is_async", "prefix", "connected", "description", "values"]
    );
    assert_eq!(
        (&m1["type"], &m1["class"], &m1["connected"]),
        (&json!("EpicsSignal"), &json!("ophyd.signal.EpicsSignal"), &json!(true))
    );
    assert_eq!(m1["values"]["m1"]["value"], 2.5);
    assert_eq!(m1["description"]["m1"]["source"], "PV:IOC:m1");
    assert_eq!(
        ask(&control, "GET", "/api/v1/devices/x", None).await,
        (404, json!({"error": "Device 'x' not found in registry"}))
    );
    control.signal("dead", "NOPE:x").await;
    let (_, all) = ask(&control, "GET", "/api/v1/devices-info", None).await;
    assert_eq!((&all["count"], &all["devices"]["m1"]["name"]), (&json!(3), &json!("m1")));
    let dead = &all["devices"]["dead"];
    assert!(dead["value_error"].is_string() && dead["description_error"].is_string(), "{dead}");
    assert_eq!(dead["connected"], false);
    let (status, loaded) = ask(&control, "POST", "/api/v1/load-devices", None).await;
    assert_eq!((status, &loaded["devices_loaded"]), (200, &json!(["dead", "m1", "pinhole"])));
    let empty = Control::start(settings()).await;
    let (status, list) = ask(&empty, "GET", "/api/v1/devices", None).await;
    assert_eq!((status, &list["count"]), (200, &json!(0)));
}

async fn put_device(control: &Control, body: Value) -> (u16, Value) {
    ask(control, "PUT", "/api/v1/devices", Some(body)).await
}

#[tokio::test]
async fn a_device_is_set_with_and_without_waiting() {
    let control = beamline().await;
    let exp = control.pvs.add("mini:ph:exp", 1.0);
    let now = json!({"device": "pinhole", "component": "exp", "set_value": 2});
    assert_eq!(
        put_device(&control, now).await.1.to_string(),
        r#"{"success":true,"message":"Set operation initiated for pinhole.exp to 2","device":"pinhole","component":"exp","value":2,"note":"No timeout specified - operation may complete asynchronously"}"#
    );
    let waiting = json!({"device": "m1", "set_value": "3", "timeout": 5});
    assert_eq!(
        put_device(&control, waiting).await.1.to_string(),
        r#"{"success":true,"message":"Successfully set m1 to 3 (with timeout 5s)","device":"m1","component":null,"value":"3","timeout":5}"#
    );
    assert_eq!(put_device(&control, json!({"device": "pinhole.exp", "set_value": 4})).await.0, 200);
    assert_eq!(exp.writes(), [PvValue::Long(2), PvValue::Long(4)]);
}

#[tokio::test]
async fn a_device_that_is_not_set_is_told_why() {
    let control = beamline().await;
    for (body, status, answer) in [
        (
            json!({"device": "x", "set_value": 1}),
            404,
            json!({"error": "Device 'x' not found in registry", "available_devices": ["m1", "pinhole"]}),
        ),
        (
            json!({"device": "pinhole", "component": "c", "set_value": 1}),
            400,
            json!({"error": "Component 'c' not found on device 'pinhole'", "device_type": "Det"}),
        ),
        (
            json!({"device": "pinhole", "set_value": 1}),
            400,
            json!({"error": "Target 'pinhole' does not support set operations", "target_type": "Det"}),
        ),
        (
            json!({"device": "m1", "set_value": "99"}),
            500,
            json!({"error": "Failed to set m1", "message": "PV 'IOC:m1': value 99 is above upper_ctrl_limit 10.0",
                "device": "m1", "component": null, "value": "99"}),
        ),
        (
            json!({"device": "m1", "set_value": null}),
            422,
            json!({"detail": [
                {"type": "string_type", "loc": ["body", "set_value", "str"], "msg": "Input should be a valid string", "input": null},
                {"type": "int_type", "loc": ["body", "set_value", "int"], "msg": "Input should be a valid integer", "input": null},
                {"type": "float_type", "loc": ["body", "set_value", "float"], "msg": "Input should be a valid number", "input": null},
            ]}),
        ),
    ] {
        assert_eq!(put_device(&control, body.clone()).await, (status, answer), "{body}");
    }
    control.lock(&["m1"], false).await;
    let set = json!({"device": "m1", "set_value": 3});
    let locked = loop {
        let answer = put_device(&control, set.clone()).await;
        if answer.0 != 200 {
            break answer;
        }
    };
    assert_eq!((locked.0, &locked.1["reason"]), (423, &json!("locked")));
    assert_eq!(locked.1["message"], "Device name m1 is locked by plan count");
}

#[tokio::test]
async fn pvs_are_connected_read_and_written() {
    let control = beamline().await;
    let nothing = (404, json!({"404 Error": "No devices found"}));
    assert_eq!(ask(&control, "GET", "/api/v1/pvs", None).await, nothing);
    for (method, path, status, answer) in [
        ("GET", "/api/v1/pvs/IOC:m1", 404, json!({"404 Error": "PV IOC:m1 not found"})),
        ("POST", "/api/v1/pvs/IOC:m1", 201, json!({"201": "PV IOC:m1 is connected"})),
        (
            "POST",
            "/api/v1/pvs/IOC:m1",
            409,
            json!({"409 Error": "PV IOC:m1 already exists, duplicate connections not allowed"}),
        ),
        ("POST", "/api/v1/pvs/NOPE:x", 408, json!({"408 Error": "Device NOPE:x is not connected"})),
        ("GET", "/api/v1/pvs", 200, json!({"PV List": ["IOC:m1"]})),
    ] {
        assert_eq!(ask(&control, method, path, None).await, (status, answer), "{method} {path}");
    }
    let (_, m1) = ask(&control, "GET", "/api/v1/pvs/IOC:m1", None).await;
    assert_eq!(m1["IOC:m1"]["value"], 2.5);
    control.pvs.add("IOC:free", 1.0);
    for (pv, value, status, answer) in [
        (
            "IOC:m1",
            json!(9),
            200,
            json!({"200": "Instruction accepted, set value of IOC:m1 to 9."}),
        ),
        (
            "IOC:free",
            json!(9),
            404,
            json!({"404 Error": "PV 'IOC:free' not found in the registry", "reason": "not_registered"}),
        ),
        (
            "IOC:m1",
            json!("99"),
            422,
            json!({"422 Error": "Could not move device IOC:m1",
                "message": "PV 'IOC:m1': value 99 is above upper_ctrl_limit 10"}),
        ),
    ] {
        let body = json!({"pv": pv, "set_value": value});
        assert_eq!(ask(&control, "PUT", "/api/v1/pvs", Some(body)).await, (status, answer));
    }
}

#[tokio::test]
async fn every_browser_origin_is_told_by_name_that_it_may_call() {
    let every = Some(JsonList(vec!["*".to_owned()]));
    let oas = OasSettings { allowed_origins: every, ..oas_settings() };
    let control = Control::start(Settings { oas, ..settings() }).await;
    let url = format!("http://{}/api/v1/devices", control.oas.unwrap());
    let get = async |origin: &str| {
        let request = reqwest::Client::new().get(&url).header("origin", origin);
        request.send().await.unwrap().headers().clone()
    };
    let headers = get("http://x:3000").await;
    assert_eq!(headers["access-control-allow-origin"], "http://x:3000");
    assert_eq!(headers["access-control-allow-credentials"], "true");
    let preflight = reqwest::Client::new()
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "http://x:3000")
        .header("access-control-request-method", "PUT");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(
        (preflight.status(), preflight.text().await.unwrap().as_str()),
        (reqwest::StatusCode::OK, "OK")
    );
}

#[tokio::test]
async fn the_api_can_be_switched_off() {
    let oas = OasSettings { enabled: false, ..oas_settings() };
    let control = Control::start(Settings { oas, ..settings() }).await;
    assert_eq!(control.oas, None);
    assert_eq!(control.get("/health").await.0, 200);
}

#[tokio::test]
async fn the_echo_says_what_it_is_told() {
    let control = beamline().await;
    let url = format!("ws://{}/api/v1/ws", control.oas.unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    socket.send(Message::Text("hello".into())).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Text("Message text was: hello".into()));
}
