//! Device lists of BITS, which guarneri reads: from their entries to devices, and back.
//!
//! The file names what is called, a class or a function, and for each device the arguments by name.
//! Contract registry-and-direct-control §1.9 (export) and §1.12 (entries).

mod entry;
mod export;

pub use export::export;

use serde_json::Value;

use crate::import::{Error, Format, Imported};

const WHAT: &str = "BITS device list";

/// The devices of a `devices.yml`, all of them at `beamline` if it is known.
///
/// # Errors
/// When the text is no such list as a whole.
pub fn read(text: &str, beamline: Option<&str>) -> Result<Imported, Error> {
    let file: Value = serde_saphyr::from_str(text).map_err(|error| Error::Syntax {
        what: WHAT,
        reason: error.without_snippet().to_string(),
    })?;
    let Value::Object(callables) = file else {
        return Err(Error::Shape {
            what: WHAT,
            expected: "it is no mapping of classes to devices",
        });
    };
    let mut imported = Imported::new(Format::Bits);
    for (callable, devices) in callables {
        match devices {
            Value::Null => {}
            Value::Array(devices) => {
                for (at, device) in devices.into_iter().enumerate() {
                    let entry = match device.get("name").and_then(Value::as_str) {
                        Some(name) => name.to_owned(),
                        None => format!("device {} of {callable}", at + 1),
                    };
                    imported.device(&entry, entry::spec(&callable, device, beamline));
                }
            }
            _ => imported.problem(&callable, "is not a list of devices".to_owned()),
        }
    }
    Ok(imported)
}

/// The name of the beamline that an `iconfig.yml` gives.
///
/// # Errors
/// When the text is no YAML.
pub fn beamline_id(iconfig: &str) -> Result<Option<String>, Error> {
    let file: Value = serde_saphyr::from_str(iconfig).map_err(|error| Error::Syntax {
        what: "iconfig.yml",
        reason: error.without_snippet().to_string(),
    })?;
    let id = &file["RUN_ENGINE"]["DEFAULT_METADATA"]["beamline_id"];
    let id = id.as_str().or_else(|| file["RUN_ENGINE"]["md"]["beamline_id"].as_str());
    Ok(id.filter(|id| !id.is_empty()).map(str::to_owned))
}
