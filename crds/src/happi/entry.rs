//! One happi entry as a device.

use kube::core::ObjectMeta;
use serde_json::Value;

use crate::device::{Device, DeviceSpec, Framework};
use crate::names::object_name;
use crate::schema::FreeForm;
use crate::{by_name, device};

/// What is wrong with an entry, with its name in front.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct EntryError {
    /// Key of the entry.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// The device that the entry `entry` with the key `key` describes.
///
/// # Errors
/// When the entry lacks `device_class`, has a value of the wrong type, a name that is not its key
/// or that no device may have, or refers to a prefix that it does not have.
pub fn device(key: &str, entry: &Value) -> Result<Device, EntryError> {
    let fail = |problem: String| EntryError { name: key.to_owned(), problem };
    let Value::Object(entry) = entry else {
        return Err(fail("is not an object".to_owned()));
    };
    let spec = Fields(entry.clone()).into_spec(key).map_err(fail)?;
    let metadata = ObjectMeta { name: Some(object_name(key)), ..ObjectMeta::default() };
    Ok(Device { metadata, spec, status: None })
}

/// The fields of an entry that have not been used yet.
struct Fields(FreeForm);

impl Fields {
    fn into_spec(mut self, key: &str) -> Result<DeviceSpec, String> {
        if !device::is_legal_name(key) {
            return Err("the name must be printable ASCII without blanks or '/'".to_owned());
        }
        for field in ["name", "_id"] {
            if let Some(other) = self.text(field)?.filter(|other| other != key) {
                return Err(format!("its {field} '{other}' is not its key"));
            }
        }
        let functional_group = self.text("functional_group")?;
        let spec = DeviceSpec {
            name: key.to_owned(),
            device_class: self
                .text("device_class")?
                .ok_or("missing required 'device_class' field")?,
            prefix: self.text("prefix")?,
            args: self.list("args")?,
            kwargs: self.object("kwargs")?,
            active: self.flag("active")?.unwrap_or(true),
            framework: self.framework()?,
            device_label: functional_group.as_deref().and_then(by_name::label_of_group),
            labels: functional_group.clone().into_iter().collect(),
            beamline: self.text("beamline")?,
            location_group: self.text("location_group")?,
            functional_group,
            documentation: self.text("documentation")?,
            extra: self.0,
            ..DeviceSpec::default()
        };
        let refers = |value: &Value| value.to_string().contains("{{prefix}}");
        if spec.prefix.is_none()
            && (spec.args.iter().any(refers) || spec.kwargs.values().any(refers))
        {
            return Err("refers to '{{prefix}}' and has no 'prefix' field".to_owned());
        }
        Ok(spec)
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.0.shift_remove(field).filter(|value| !value.is_null())
    }

    fn text(&mut self, field: &str) -> Result<Option<String>, String> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("'{field}' must be text")),
        }
    }

    fn flag(&mut self, field: &str) -> Result<Option<bool>, String> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(format!("'{field}' must be true or false")),
        }
    }

    fn list(&mut self, field: &str) -> Result<Vec<Value>, String> {
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(format!("'{field}' must be a list")),
        }
    }

    fn object(&mut self, field: &str) -> Result<FreeForm, String> {
        match self.take(field) {
            None => Ok(FreeForm::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(format!("'{field}' must be an object")),
        }
    }

    fn framework(&mut self) -> Result<Option<Framework>, String> {
        match self.take("framework") {
            None => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|_| "'framework' must be 'ophyd-sync' or 'ophyd-async'".to_owned()),
        }
    }
}
