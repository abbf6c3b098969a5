//! The OpenAPI description of the service, with the paths and names of the published one.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::{admin, components, crud, devices, health, history, locks, pv_health, pvs, standalone};
use crate::device::{DeviceInstantiationSpec, DeviceMetadata};
use crate::vocabulary::{DeviceLabel, Framework, PVAccessMode, PVProtocol};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Configuration Service",
        version = "1.0.0",
        description = "Device and PV registry of a beamline."
    ),
    paths(
        health::health,
        health::ready,
        devices::list_devices,
        crud::create_device,
        devices::get_all_devices_info,
        devices::get_device_classes,
        devices::get_device_labels,
        devices::list_device_instantiations,
        history::list_device_history,
        history::get_device_changes,
        locks::lock_devices,
        locks::unlock_devices,
        locks::renew_device_locks,
        locks::force_unlock_devices,
        locks::get_lock_policy,
        locks::set_lock_policy,
        locks::get_device_status,
        pv_health::report_pv_failure,
        pv_health::report_pv_success,
        pv_health::get_pv_health,
        pv_health::clear_pv_health,
        pv_health::clear_all_pv_health,
        pv_health::get_pv_health_stats,
        crud::enable_device,
        crud::disable_device,
        devices::get_device,
        crud::update_device,
        crud::delete_device,
        pvs::get_device_pvs,
        devices::get_device_instantiation,
        admin::reset_registry,
        admin::clear_registry,
        admin::export_registry,
        standalone::create_standalone_pv,
        pvs::list_pvs,
        standalone::list_standalone_pvs,
        standalone::list_standalone_pv_labels,
        standalone::update_standalone_pv,
        standalone::delete_standalone_pv,
        pvs::get_pvs_detailed,
        pvs::lookup_device_pvs_by_pv,
        locks::get_pv_status,
        pvs::get_pv,
        components::get_nested_device_component,
        components::resolve_device_paths,
        components::list_device_components,
    )
)]
struct Interface;

/// The OpenAPI description of the registry.
pub fn interface() -> utoipa::openapi::OpenApi {
    Interface::openapi()
}

/// Declares a request body as clients see it. What reads it checks more than a schema can say.
macro_rules! request_body {
    ($(#[$doc:meta])* $name:ident { $($(#[$schema:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "describes the interface, is never built")]
        pub(super) struct $name { $($(#[$schema])* $field: $type),* }
    };
}

request_body! {
    /// A device to create.
    DeviceCreateRequest {
        metadata: DeviceMetadata,
        instantiation_spec: DeviceInstantiationSpec,
    }
}
request_body! {
    /// Fields of a device to change.
    DeviceUpdateRequest {
        metadata: Option<DeviceMetadataUpdate>,
        instantiation_spec: Option<DeviceInstantiationSpecUpdate>,
    }
}
request_body! {
    /// Fields of the metadata to change.
    DeviceMetadataUpdate {
        name: Option<String>,
        device_label: Option<DeviceLabel>,
        ophyd_class: Option<String>,
        module: Option<String>,
        is_movable: Option<bool>,
        is_flyable: Option<bool>,
        is_readable: Option<bool>,
        is_triggerable: Option<bool>,
        is_stageable: Option<bool>,
        is_configurable: Option<bool>,
        is_pausable: Option<bool>,
        is_stoppable: Option<bool>,
        is_subscribable: Option<bool>,
        is_checkable: Option<bool>,
        writes_external_assets: Option<bool>,
        pvs: Option<BTreeMap<String, String>>,
        hints: Option<BTreeMap<String, Value>>,
        read_attrs: Option<Vec<String>>,
        configuration_attrs: Option<Vec<String>>,
        parent: Option<String>,
        labels: Option<Vec<String>>,
        beamline: Option<String>,
        location_group: Option<String>,
        functional_group: Option<String>,
        documentation: Option<String>,
    }
}
request_body! {
    /// Fields of the instantiation spec to change.
    DeviceInstantiationSpecUpdate {
        name: Option<String>,
        device_class: Option<String>,
        args: Option<Vec<Value>>,
        kwargs: Option<BTreeMap<String, Value>>,
        active: Option<bool>,
        #[schema(inline)]
        framework: Option<Framework>,
    }
}
request_body! {
    /// Locks to extend.
    DeviceLockRenewRequest {
        device_names: Vec<String>,
        item_id: String,
    }
}
request_body! {
    /// A standalone PV to register.
    StandalonePVCreateRequest {
        pv_name: String,
        description: Option<String>,
        #[schema(required = false)]
        protocol: PVProtocol,
        #[schema(required = false)]
        access_mode: PVAccessMode,
        #[schema(required = false)]
        labels: Vec<String>,
    }
}
request_body! {
    /// Fields of a standalone PV to change.
    StandalonePVUpdateRequest {
        description: Option<String>,
        protocol: Option<PVProtocol>,
        access_mode: Option<PVAccessMode>,
        labels: Option<Vec<String>>,
    }
}
