//! The interface as OpenAPI. Request bodies are read by hand ([`service::validation`]); these types
//! only describe them.

use serde_json::{Map, Value};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::http::{audit, devices, diagnostics, health, pv_set, pv_value, resolve, stats};

/// The document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bluesky Direct Device Control + Monitoring",
        version = "1.0.0",
        description = "Device commanding with coordination checks, and real-time EPICS PV monitoring via WebSocket."
    ),
    paths(
        health::health,
        health::ready,
        stats::stats,
        pv_set::set_pv,
        pv_set::set_pv_batch,
        resolve::resolve_device_paths,
        pv_value::get_pv_value_from_controller,
        pv_value::get_monitored_pv_value,
        pv_value::get_connected_pvs,
        devices::execute_device_method,
        devices::stop_device,
        devices::access_nested_device,
        devices::get_nested_device_value,
        audit::get_audit,
        diagnostics::diagnose_pv,
        diagnostics::diagnose_device,
    )
)]
struct Api;

/// One write.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct PVSetRequest {
    /// EPICS name.
    pv_name: String,
    /// A number, a text, or an array of either.
    value: Value,
    /// Wait until the IOC has done everything that the write causes.
    #[schema(default = false)]
    wait: Option<bool>,
    /// Seconds that the completion may take.
    #[schema(minimum = 0)]
    timeout: Option<f64>,
    /// Seconds that the connection may take.
    #[schema(minimum = 0)]
    connection_timeout: Option<f64>,
    /// Write with a callback.
    #[schema(default = false)]
    use_complete: Option<bool>,
    /// Forced DBR type.
    ftype: Option<i64>,
    /// Check the control limits.
    check_limits: Option<bool>,
}

/// Several writes, in order.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct PVSetBatchRequest {
    /// The writes.
    #[schema(min_items = 1, max_items = 100)]
    caputs: Vec<PVSetRequest>,
}

/// A method of a device.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct DeviceCommandRequest {
    /// Ophyd name.
    device_name: String,
    /// What to do.
    method: String,
    /// Arguments by place.
    args: Option<Vec<Value>>,
    /// Arguments by name.
    #[schema(value_type = Option<Object>)]
    kwargs: Option<Map<String, Value>>,
    /// Seconds that it may take.
    #[schema(minimum = 0)]
    timeout: Option<f64>,
    /// Do not wait until it is done.
    #[schema(default = false)]
    use_put: Option<bool>,
}

/// A method of a component.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct NestedDeviceRequest {
    /// What to do.
    #[schema(default = "read")]
    method: Option<String>,
    /// Value of `set` and `put`.
    value: Option<Value>,
    /// Seconds that it may take.
    timeout: Option<f64>,
}

/// Addresses to resolve.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct DeviceResolveRequest {
    /// Device, or device and component with dots.
    #[schema(min_items = 1, max_items = 200)]
    addresses: Vec<String>,
}

/// Query of a one-shot read.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a query that is read field by field")]
pub(crate) struct ValueParams {
    /// `json` or `binary`.
    format: Option<String>,
    /// The value as text.
    as_string: Option<bool>,
    /// Most elements of an array.
    #[param(minimum = 1)]
    count: Option<i64>,
    /// Without meaning here.
    as_numpy: Option<bool>,
    /// Answer from the shared monitor.
    use_monitor: Option<bool>,
    /// Seconds that the read may take.
    timeout: Option<f64>,
    /// Seconds that the connection may take.
    connection_timeout: Option<f64>,
    /// Forced DBR type.
    ftype: Option<i64>,
}
