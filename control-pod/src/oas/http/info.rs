//! What is told of one device (contract §2.5).

use std::time::Duration;

use crds::device::Framework;
use serde_json::{Map, Value, json};

use crate::device::operate::perform;
use crate::device::wire::Wire;
use crate::device::{Call, DeviceError, Method, Target};
use crate::gateway::Gateway;
use crate::registry::KnownDevice;

/// How long a device may take to tell of itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The class without its module.
pub(crate) fn short_class(device: &KnownDevice) -> &str {
    device.class_path.rsplit('.').next().unwrap_or_default()
}

/// Class and prefix, and what its PVs say; an error in its place where they do not answer.
pub(crate) async fn of(gateway: &Gateway, device: &KnownDevice) -> Value {
    let is_async = device.framework == Framework::OphydAsync;
    let mut info = Map::new();
    info.insert("name".into(), device.name.as_str().into());
    info.insert("type".into(), short_class(device).into());
    info.insert("class".into(), device.class_path.as_str().into());
    info.insert("is_async".into(), is_async.into());
    if let Some(prefix) = &device.prefix {
        info.insert("prefix".into(), prefix.as_str().into());
    }
    let (description, values) =
        tokio::join!(ask(gateway, device, Method::Describe), ask(gateway, device, Method::Read));
    info.insert("connected".into(), values.is_ok().into());
    let (key, value) = told("description", "description_error", description);
    info.insert(key, value);
    let (key, value) = told("values", "value_error", values);
    info.insert(key, value);
    Value::Object(info)
}

fn told(key: &str, error_key: &str, answer: Result<Value, DeviceError>) -> (String, Value) {
    match answer {
        Ok(value) => (key.to_owned(), value),
        Err(error) => (error_key.to_owned(), json!(error.to_string())),
    }
}

async fn ask(
    gateway: &Gateway,
    device: &KnownDevice,
    method: Method,
) -> Result<Value, DeviceError> {
    let target = Target::find(device, &device.name)?;
    let call = Call { method, value: None, timeout: PATIENCE, wait: true, supersedes: false };
    let attempt = gateway.audit.reading(&device.name);
    let result = perform(&Wire::new(gateway, &target, &attempt), &call, false).await;
    attempt.end(&result);
    result
}
