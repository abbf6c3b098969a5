//! The body of `PUT /api/v1/devices/{name}`: a partial update, field by field (contract §1.5).
//!
//! The given members are laid over what the API shows of the device and read as a whole device
//! would be; then only those members are written to the resource, so that what was derived from
//! the class stays derived.

use crds::DeviceSpec;
use serde::Serialize;
use serde_json::{Map, Value};
use service::validation::{self, Fields, Model, Problems, Reader, kinds};

use super::create::{NewMetadata, NewSpec};
use super::{DeviceInstantiationSpec, DeviceMetadata};

/// Fields that null clears; every other refuses null.
const NULLABLE: [&str; 8] = [
    "module",
    "hints",
    "parent",
    "beamline",
    "location_group",
    "functional_group",
    "documentation",
    "framework",
];

/// A partial update: the members that the client gave. Unknown ones are ignored.
#[derive(Debug)]
pub(crate) struct DeviceUpdate {
    metadata: Map<String, Value>,
    spec: Map<String, Value>,
}

/// Why an update cannot be applied to a device.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    /// The metadata names another device.
    #[error("Name in body '{given}' does not match path '{path}'")]
    MetadataName { given: String, path: String },
    /// The instantiation spec names another device.
    #[error("Spec name '{given}' does not match path '{path}'")]
    SpecName { given: String, path: String },
    /// Some members are not valid by themselves.
    #[error("the update is not valid")]
    Fields(Problems),
    /// The metadata would not be valid as a whole.
    #[error("Invalid metadata update: {0}")]
    Metadata(String),
    /// The instantiation spec would not be valid as a whole.
    #[error("Invalid instantiation spec update: {0}")]
    Spec(String),
}

/// What an update made of a device.
#[derive(Debug, PartialEq)]
pub(crate) struct Updated {
    /// The new spec.
    pub(crate) spec: DeviceSpec,
    /// Whether the device is to be switched on or off.
    pub(crate) active: Option<bool>,
    /// The fields that the client gave, as the audit log names them.
    pub(crate) changed_fields: Vec<String>,
}

impl Model for DeviceUpdate {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let metadata = fields.nullable("metadata", members);
        let spec = fields.nullable("instantiation_spec", members);
        Some(Self { metadata: metadata?.unwrap_or_default(), spec: spec?.unwrap_or_default() })
    }
}

/// Any members, read only once the device is known.
struct Members(Map<String, Value>);

impl Model for Members {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self(fields.members().clone()))
    }
}

fn members(value: &Value, reader: &mut Reader) -> Option<Map<String, Value>> {
    kinds::model::<Members>(value, reader).map(|Members(members)| members)
}

struct Halves {
    metadata: NewMetadata,
    spec: NewSpec,
}

impl Model for Halves {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let metadata = fields.required("metadata", kinds::model);
        let spec = fields.required("instantiation_spec", kinds::model);
        Some(Self { metadata: metadata?, spec: spec? })
    }
}

impl DeviceUpdate {
    /// The class that the update asks for, if it does.
    pub(crate) fn device_class(&self) -> Option<&str> {
        self.spec.get("device_class")?.as_str()
    }

    /// Applies the update to `spec`, of which the API shows `metadata` and `instantiation`.
    pub(crate) fn apply(
        &self,
        spec: &DeviceSpec,
        metadata: &DeviceMetadata,
        instantiation: &DeviceInstantiationSpec,
    ) -> Result<Updated, UpdateError> {
        let names_another = |given: &Map<String, Value>| {
            let given = given.get("name").and_then(Value::as_str)?;
            (given != spec.name).then(|| (given.to_owned(), spec.name.clone()))
        };
        if let Some((given, path)) = names_another(&self.metadata) {
            return Err(UpdateError::MetadataName { given, path });
        }
        if let Some((given, path)) = names_another(&self.spec) {
            return Err(UpdateError::SpecName { given, path });
        }
        let (old_metadata, old_spec) = (shown(metadata), shown(instantiation));
        let merged: Halves = validation::read(&serde_json::json!({
            "metadata": overlay(&old_metadata, &self.metadata, |name, value| {
                !value.is_null() || NULLABLE.contains(&name)
            }),
            "instantiation_spec": overlay(&old_spec, &self.spec, |name, value| {
                !value.is_null() || NULLABLE.contains(&name)
            }),
        }))
        .map_err(UpdateError::Fields)?;
        whole::<NewMetadata>(
            "DeviceMetadata",
            &overlay(&old_metadata, &self.metadata, |_, _| true),
        )
        .map_err(UpdateError::Metadata)?;
        whole::<NewSpec>("DeviceInstantiationSpec", &overlay(&old_spec, &self.spec, |_, _| true))
            .map_err(UpdateError::Spec)?;
        let mut updated = Updated { spec: spec.clone(), active: None, changed_fields: Vec::new() };
        let given = |given: &Map<String, Value>, old: &Map<String, Value>| -> Vec<String> {
            old.keys().filter(|name| given.contains_key(*name)).cloned().collect()
        };
        let (metadata, instantiation) = (merged.metadata, merged.spec);
        for name in given(&self.metadata, &old_metadata) {
            metadata.write(&name, &mut updated.spec);
            updated.changed_fields.push(name);
        }
        for name in given(&self.spec, &old_spec) {
            match name.as_str() {
                "active" => updated.active = Some(instantiation.active),
                name => instantiation.write(name, &mut updated.spec),
            }
            updated.changed_fields.push(format!("spec.{name}"));
        }
        Ok(updated)
    }
}

fn shown(half: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(half) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn overlay(
    old: &Map<String, Value>,
    given: &Map<String, Value>,
    take: impl Fn(&str, &Value) -> bool,
) -> Value {
    let mut merged = old.clone();
    for (name, value) in given.iter().filter(|(name, value)| take(name, value)) {
        merged.insert(name.clone(), value.clone());
    }
    Value::Object(merged)
}

/// Whether a merged half is valid; what pydantic prints about it where it is not.
fn whole<M: Model>(model: &str, merged: &Value) -> Result<(), String> {
    let Err(problems) = validation::read::<M>(merged) else { return Ok(()) };
    let count = problems.len();
    let errors = if count == 1 { "error" } else { "errors" };
    let lines = problems.iter().map(|problem| {
        let place: Vec<&str> = problem.loc.iter().skip(1).filter_map(Value::as_str).collect();
        let (place, message, kind) = (place.join("."), &problem.msg, problem.kind);
        format!(
            "\n{place}\n  {message} [type={kind}, input_value=None, input_type=NoneType]\n    \
             For further information visit https://errors.pydantic.dev/2.14/v/{kind}"
        )
    });
    Err(format!("{count} validation {errors} for {model}{}", lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use crds::resolve::Catalogue;
    use crds::{Device, DeviceSpec};
    use serde_json::json;

    use super::*;
    use crate::device::words::Words;

    fn device() -> Device {
        let spec: DeviceSpec = serde_json::from_value(json!({
            "name": "m2", "deviceClass": "ophyd.EpicsMotor", "prefix": "X:2", "documentation": "old",
        }))
        .unwrap();
        Device::new("m2", spec)
    }

    fn apply(body: &Value) -> Result<Updated, UpdateError> {
        let device = device();
        let update: DeviceUpdate = validation::read(body).unwrap();
        update.apply(
            &device.spec,
            &DeviceMetadata::of(&device.spec, &Catalogue::default(), &mut Words::default()),
            &DeviceInstantiationSpec::of(&device),
        )
    }

    #[test]
    fn only_given_fields_change() {
        let body = json!({
            "metadata": { "documentation": null, "labels": ["motors"], "is_flyable": "yes" },
            "instantiation_spec": { "active": false, "args": ["X:3"] },
        });
        let updated = apply(&body).unwrap();
        let mut wanted = device().spec;
        wanted.documentation = None;
        wanted.labels = vec!["motors".to_owned()];
        let of_class = crds::by_name::capabilities("EpicsMotor");
        wanted.capabilities = Some(crds::device::Capabilities { flyable: true, ..of_class });
        wanted.args = vec![json!("X:3")];
        assert_eq!(updated.spec, wanted);
        assert_eq!(updated.active, Some(false));
        assert_eq!(
            updated.changed_fields,
            ["is_flyable", "labels", "documentation", "spec.args", "spec.active"]
        );
    }

    #[test]
    fn a_flat_body_changes_nothing() {
        let updated = apply(&json!({ "name": "x", "documentation": "y" })).unwrap();
        assert_eq!(updated.spec, device().spec);
        assert!(updated.changed_fields.is_empty());
    }

    #[test]
    fn null_is_refused_where_a_value_must_be() {
        let error = apply(&json!({ "metadata": { "device_label": null } })).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Invalid metadata update: 1 validation error for DeviceMetadata\ndevice_label\n  Input \
             should be 'motor', 'detector', 'signal', 'flyer', 'readable' or 'device' [type=enum, \
             input_value=None, input_type=NoneType]\n    For further information visit \
             https://errors.pydantic.dev/2.14/v/enum"
        );
        let error = apply(&json!({ "instantiation_spec": { "args": null } })).unwrap_err();
        assert!(matches!(error, UpdateError::Spec(_)), "{error}");
    }

    #[test]
    fn a_wrong_kind_is_reported_at_its_place_and_a_wrong_name_refused() {
        let error = apply(&json!({ "metadata": { "is_movable": "maybe" } })).unwrap_err();
        let UpdateError::Fields(problems) = error else { panic!("{error}") };
        assert_eq!(problems.iter().next().unwrap().loc, ["body", "metadata", "is_movable"]);
        let error = apply(&json!({ "metadata": { "name": "q" } })).unwrap_err();
        assert_eq!(error.to_string(), "Name in body 'q' does not match path 'm2'");
        let error = apply(&json!({ "instantiation_spec": { "name": "q" } })).unwrap_err();
        assert_eq!(error.to_string(), "Spec name 'q' does not match path 'm2'");
    }
}
