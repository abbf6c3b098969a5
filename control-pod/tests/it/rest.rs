//! REST: bodies, codes and texts of contract §2.2 to §2.6.

mod coordination;
mod devices;
mod diagnostics;
mod pv_set;
mod pv_value;
mod service;

use serde_json::Value;

use crate::support::{Control, settings};

async fn with_m1() -> Control {
    let control = Control::start(settings()).await;
    control.pvs.add("IOC:m1", 1.5);
    control.signal("m1", "IOC:m1").await;
    control
}

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}
