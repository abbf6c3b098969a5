//! happi databases: from their entries to devices, and back.
//!
//! The templates `{{name}}` and `{{prefix}}` are kept as written, and keys that have no field of
//! their own go to `spec.extra`, so that a database survives the round trip. Contract
//! registry-and-direct-control §1.9 (export) and §1.12 (entries).

mod entry;
mod export;
mod template;

pub use export::{database, export};

use serde_json::Value;

use crate::Device;
use crate::import::{Error, Format, Imported};

const WHAT: &str = "happi database";

/// What a happi database says: the object that happi's JSON backend keeps, or the list that
/// `happi search --json` prints.
///
/// # Errors
/// When the text is no such database as a whole.
pub fn read(text: &str) -> Result<Imported, Error> {
    let database = serde_json::from_str(text)
        .map_err(|error| Error::Syntax { what: WHAT, reason: error.to_string() })?;
    let mut imported = Imported::new(Format::Happi);
    for (key, entry) in entries(database)? {
        imported.device(&key, entry::spec(&key, entry));
    }
    Ok(imported)
}

/// The devices of a happi database.
///
/// # Errors
/// When the text is no such database, or any of its entries is wrong: then none is taken, and the
/// error names them.
pub fn devices(text: &str) -> Result<Vec<Device>, Error> {
    Ok(read(text)?.complete()?.devices)
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
        _ => {
            let expected = "neither an object of entries nor a list of them";
            Err(Error::Shape { what: WHAT, expected })
        }
    }
}
