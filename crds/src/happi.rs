//! happi databases: from their entries to devices, and back.
//!
//! Nothing is filled in on the way in: the templates `{{name}}` and `{{prefix}}` are kept as
//! written, and keys that have no field of their own go to `spec.extra`, so that a database
//! survives the round trip. Contract registry-and-direct-control §1.9 (export) and §1.12 (entries).

mod entry;
mod export;

pub use entry::{EntryError, device};
pub use export::{database, export};

use serde_json::Value;

use crate::Device;
use crate::yaml;

/// How many bad entries an error names.
const SHOWN: usize = 20;

/// A happi database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON.
    #[error("failed to parse the happi database: {0}")]
    Json(#[source] serde_json::Error),
    /// Neither an object of entries nor a list of them.
    #[error("failed to read the happi database: neither an object of entries nor a list of them")]
    Shape,
    /// Some entries are wrong; none is taken.
    #[error("failed to read {} of {total} happi entries: {}", errors.len(), shown(errors))]
    Entries {
        /// What is wrong, by entry.
        errors: Vec<EntryError>,
        /// How many entries the database has.
        total: usize,
    },
    /// The manifests could not be written.
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
}

fn shown(errors: &[EntryError]) -> String {
    let mut text =
        errors.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if errors.len() > SHOWN {
        text.push_str(&format!("; ...and {} more", errors.len() - SHOWN));
    }
    text
}

/// The devices of a happi database: the object that happi's JSON backend keeps, or the list that
/// `happi search --json` prints.
///
/// # Errors
/// When the text is no such database, or any of its entries is wrong: then none is taken, and the
/// error names them.
pub fn devices(text: &str) -> Result<Vec<Device>, Error> {
    let (mut devices, mut errors) = (Vec::new(), Vec::new());
    for (key, entry) in entries(serde_json::from_str(text).map_err(Error::Json)?)? {
        match device(&key, &entry) {
            Ok(device) => devices.push(device),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(devices)
    } else {
        Err(Error::Entries { total: errors.len() + devices.len(), errors })
    }
}

fn entries(database: Value) -> Result<Vec<(String, Value)>, Error> {
    match database {
        Value::Object(entries) => Ok(entries.into_iter().collect()),
        Value::Array(entries) => Ok(entries
            .into_iter()
            .map(|entry| {
                let key = entry.get("name").or_else(|| entry.get("_id")).and_then(Value::as_str);
                (key.unwrap_or_default().to_owned(), entry)
            })
            .collect()),
        _ => Err(Error::Shape),
    }
}

/// The devices of a happi database as manifests: one YAML text, a document each, in the order of
/// the database.
///
/// # Errors
/// As [`devices`].
pub fn manifests(text: &str) -> Result<String, Error> {
    let documents: Result<Vec<_>, _> =
        devices(text)?.iter().map(|device| yaml::to_yaml(&device.spec.name, device)).collect();
    Ok(documents?.join("---\n"))
}
