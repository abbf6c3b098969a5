//! One happi entry as a device.

use serde_json::Value;

use super::export::usual_type;
use super::template;
use crate::by_name;
use crate::device::{DeviceSpec, Framework};
use crate::schema::FreeForm;

/// The device that the entry `entry` with the key `key` describes.
///
/// # Errors
/// When the entry lacks `device_class`, has a value of the wrong type, a name that is not its key,
/// or refers to a field that it does not have.
pub(super) fn spec(key: &str, entry: Value) -> Result<DeviceSpec, String> {
    match entry {
        Value::Object(entry) => Fields(entry).into_spec(key),
        _ => Err("is not an object".to_owned()),
    }
}

/// The fields of an entry that have not been used yet.
struct Fields(FreeForm);

impl Fields {
    fn into_spec(mut self, key: &str) -> Result<DeviceSpec, String> {
        for field in ["name", "_id"] {
            if let Some(other) = self.text(field)?.filter(|other| other != key) {
                return Err(format!("its {field} '{other}' is not its key"));
            }
        }
        let device_class =
            self.text("device_class")?.ok_or("missing required 'device_class' field")?;
        let (args, kwargs) = (self.list("args")?, self.object("kwargs")?);
        let args = args.into_iter().map(|value| template::fill(value, &self.0));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let kwargs = template::fill_members(kwargs, &self.0)?;
        let functional_group = self.text("functional_group")?;
        let prefix = self.text("prefix")?;
        self.drop_usual_type(&device_class, prefix.is_some());
        let spec = DeviceSpec {
            name: key.to_owned(),
            device_class,
            prefix,
            args,
            kwargs,
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

    /// Forgets a container class that the export puts back, or that is none of happi's: the Python
    /// service exports the device class in its place.
    fn drop_usual_type(&mut self, device_class: &str, has_prefix: bool) {
        let type_ = self.0.get("type").and_then(Value::as_str);
        if type_.is_some_and(|one| one == device_class || one == usual_type(has_prefix)) {
            self.0.shift_remove("type");
        }
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
