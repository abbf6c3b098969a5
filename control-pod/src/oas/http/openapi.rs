//! The interface as OpenAPI. Request bodies are read by hand; these types only describe them.

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::oas::http::{about, devices, pvs};

/// The document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ophyd as a Service",
        version = "1.0.0",
        description = "PVs and devices over REST and WebSockets, and the console of the queue server."
    ),
    paths(
        devices::load_devices_from_startup,
        devices::list_devices,
        devices::set_device_value,
        devices::get_device_info,
        devices::get_all_devices_info,
        about::get_queue_server_status_endpoint,
        pvs::list_connected_pvs,
        pvs::set_pv_value,
        pvs::read_pv_value,
        pvs::connect_to_pv,
        about::list_websockets,
        about::read_root,
    )
)]
struct Api;

/// A write to a device.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct OphydDeviceInstruction {
    /// Ophyd name.
    device: String,
    /// A text or a number.
    set_value: Value,
    /// Part of the device, with dots.
    component: Option<String>,
    /// Seconds that it may take; without it nobody waits.
    timeout: Option<i64>,
}

/// A write to a PV.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a request that is read field by field")]
pub(crate) struct EpicsPVInstruction {
    /// EPICS name.
    pv: String,
    /// A text or a number.
    set_value: Value,
    /// Seconds that it may take; without it nobody waits.
    timeout: Option<i64>,
}
