//! The body of `POST /api/v1/devices`, and the resource that it becomes (contract §1.5).

use std::collections::BTreeMap;

use crds::DeviceSpec;
use crds::device::{Capabilities, DeviceLabel, Framework, is_legal_name};
use serde_json::{Map, Value};
use service::validation::{Fields, Model, Reader, kinds};

use super::{FRAMEWORKS, LABELS, is_pv_name};

const NAME_RULE: &str = "device name must be non-empty printable ASCII with no whitespace or '/' \
                         (other values create registry entries that cannot be addressed via \
                         /api/v1/devices/{device_name})";
const PV_RULE: &str = "PV name must be non-empty printable ASCII with no whitespace (matches the \
                       standalone-PV constraint)";

/// A device to be created.
#[derive(Debug)]
pub(crate) struct NewDevice {
    metadata: NewMetadata,
    spec: NewSpec,
}

/// What a device is and can do, as a client gives it.
#[derive(Debug)]
pub(super) struct NewMetadata {
    name: String,
    device_label: DeviceLabel,
    ophyd_class: String,
    module: Option<String>,
    capabilities: Capabilities,
    pvs: BTreeMap<String, String>,
    hints: Option<Map<String, Value>>,
    read_attrs: Vec<String>,
    configuration_attrs: Vec<String>,
    parent: Option<String>,
    labels: Vec<String>,
    beamline: Option<String>,
    location_group: Option<String>,
    functional_group: Option<String>,
    documentation: Option<String>,
}

/// How a device is constructed, as a client gives it.
#[derive(Debug)]
pub(super) struct NewSpec {
    name: String,
    device_class: String,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
    pub(super) active: bool,
    framework: Option<Framework>,
}

/// The two halves of a create request name different devices.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Name mismatch: metadata.name='{metadata}' != instantiation_spec.name='{spec}'")]
pub(crate) struct NameMismatch {
    metadata: String,
    spec: String,
}

impl NewDevice {
    /// The resource to store: everything that was given, as it was given.
    pub(crate) fn into_spec(self) -> Result<DeviceSpec, NameMismatch> {
        let Self { metadata, spec } = self;
        if metadata.name != spec.name {
            return Err(NameMismatch { metadata: metadata.name, spec: spec.name });
        }
        Ok(DeviceSpec {
            name: spec.name,
            device_class: spec.device_class,
            prefix: None,
            args: spec.args,
            kwargs: spec.kwargs,
            active: spec.active,
            required: false,
            framework: spec.framework,
            device_label: Some(metadata.device_label),
            ophyd_class: Some(metadata.ophyd_class),
            module: metadata.module,
            capabilities: Some(metadata.capabilities),
            pvs: metadata.pvs,
            hints: metadata.hints,
            read_attrs: Some(metadata.read_attrs),
            configuration_attrs: Some(metadata.configuration_attrs),
            parent: metadata.parent,
            labels: metadata.labels,
            beamline: metadata.beamline,
            location_group: metadata.location_group,
            functional_group: metadata.functional_group,
            documentation: metadata.documentation,
            extra: Map::new(),
        })
    }
}

impl NewMetadata {
    /// Writes the one field of that wire name to `spec`.
    pub(super) fn write(&self, name: &str, spec: &mut DeviceSpec) {
        match name {
            "device_label" => spec.device_label = Some(self.device_label),
            "ophyd_class" => spec.ophyd_class = Some(self.ophyd_class.clone()),
            "module" => spec.module.clone_from(&self.module),
            "pvs" => spec.pvs.clone_from(&self.pvs),
            "hints" => spec.hints.clone_from(&self.hints),
            "read_attrs" => spec.read_attrs = Some(self.read_attrs.clone()),
            "configuration_attrs" => {
                spec.configuration_attrs = Some(self.configuration_attrs.clone());
            }
            "parent" => spec.parent.clone_from(&self.parent),
            "labels" => spec.labels.clone_from(&self.labels),
            "beamline" => spec.beamline.clone_from(&self.beamline),
            "location_group" => spec.location_group.clone_from(&self.location_group),
            "functional_group" => spec.functional_group.clone_from(&self.functional_group),
            "documentation" => spec.documentation.clone_from(&self.documentation),
            "name" => {}
            _flag => spec.capabilities = Some(self.capabilities),
        }
    }
}

impl NewSpec {
    /// Writes the one field of that wire name to `spec`.
    pub(super) fn write(&self, name: &str, spec: &mut DeviceSpec) {
        match name {
            "device_class" => spec.device_class.clone_from(&self.device_class),
            "args" => spec.args.clone_from(&self.args),
            "kwargs" => spec.kwargs.clone_from(&self.kwargs),
            "framework" => spec.framework = self.framework,
            _ => {}
        }
    }
}

impl Model for NewDevice {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let metadata = fields.required("metadata", kinds::model);
        let spec = fields.required("instantiation_spec", kinds::model);
        Some(Self { metadata: metadata?, spec: spec? })
    }
}

impl Model for NewMetadata {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name", device_name);
        let device_label = fields.required("device_label", kinds::enumeration(LABELS));
        let ophyd_class = fields.required("ophyd_class", kinds::string);
        let module = fields.nullable("module", kinds::string);
        let mut flag = |name| fields.default(name, kinds::boolean, false);
        let movable = flag("is_movable");
        let flyable = flag("is_flyable");
        let readable = flag("is_readable");
        let triggerable = flag("is_triggerable");
        let stageable = flag("is_stageable");
        let configurable = flag("is_configurable");
        let pausable = flag("is_pausable");
        let stoppable = flag("is_stoppable");
        let subscribable = flag("is_subscribable");
        let checkable = flag("is_checkable");
        let writes_external_assets = flag("writes_external_assets");
        let pvs = fields.default("pvs", pv_map, BTreeMap::new());
        let hints = fields.nullable("hints", kinds::object);
        let read_attrs = fields.default("read_attrs", kinds::list(kinds::string), Vec::new());
        let configuration_attrs =
            fields.default("configuration_attrs", kinds::list(kinds::string), Vec::new());
        let parent = fields.nullable("parent", kinds::string);
        let labels = fields.default("labels", kinds::list(kinds::string), Vec::new());
        let beamline = fields.nullable("beamline", kinds::string);
        let location_group = fields.nullable("location_group", kinds::string);
        let functional_group = fields.nullable("functional_group", kinds::string);
        let documentation = fields.nullable("documentation", kinds::string);
        Some(Self {
            name: name?,
            device_label: device_label?,
            ophyd_class: ophyd_class?,
            module: module?,
            capabilities: Capabilities {
                movable: movable?,
                flyable: flyable?,
                readable: readable?,
                triggerable: triggerable?,
                stageable: stageable?,
                configurable: configurable?,
                pausable: pausable?,
                stoppable: stoppable?,
                subscribable: subscribable?,
                checkable: checkable?,
                writes_external_assets: writes_external_assets?,
            },
            pvs: pvs?,
            hints: hints?,
            read_attrs: read_attrs?,
            configuration_attrs: configuration_attrs?,
            parent: parent?,
            labels: labels?,
            beamline: beamline?,
            location_group: location_group?,
            functional_group: functional_group?,
            documentation: documentation?,
        })
    }
}

impl Model for NewSpec {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name", device_name);
        let device_class = fields.required("device_class", kinds::string);
        let args = fields.default("args", kinds::list(kinds::any), Vec::new());
        let kwargs = fields.default("kwargs", kinds::object, Map::new());
        let active = fields.default("active", kinds::boolean, true);
        let framework = fields.nullable("framework", kinds::literal(FRAMEWORKS));
        Some(Self {
            name: name?,
            device_class: device_class?,
            args: args?,
            kwargs: kwargs?,
            active: active?,
            framework: framework?,
        })
    }
}

fn device_name(value: &Value, reader: &mut Reader) -> Option<String> {
    let name = kinds::string(value, reader)?;
    if is_legal_name(&name) { Some(name) } else { reader.value_error(NAME_RULE, value) }
}

/// Component name → PV name; one bad PV refuses the whole map.
fn pv_map(value: &Value, reader: &mut Reader) -> Option<BTreeMap<String, String>> {
    let pvs = kinds::map(kinds::string)(value, reader)?;
    if pvs.values().all(|pv| is_pv_name(pv)) {
        Some(pvs)
    } else {
        reader.value_error(PV_RULE, value)
    }
}
