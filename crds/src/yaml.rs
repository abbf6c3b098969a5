//! Resources as YAML text: what `beamline crds` prints, what the Helm chart ships, what an import
//! writes.

use serde::Serialize;
use serde_saphyr::SerializerOptions;

/// A value could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {what} as YAML")]
pub struct Error {
    what: String,
    #[source]
    source: serde_saphyr::SerializeError,
}

/// A YAML file: its name, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// File name without a folder, such as `devices.beamline.dev.yaml`.
    pub file_name: String,
    /// Content of the file.
    pub text: String,
}

/// The custom resource definitions of this project, a file each.
///
/// # Errors
/// When a definition cannot be written, which would be a defect of ours.
pub fn documents() -> Result<Vec<Document>, Error> {
    crate::all()
        .iter()
        .map(|crd| {
            let name = crd.metadata.name.clone().unwrap_or_default();
            Ok(Document { text: to_yaml(&name, crd)?, file_name: format!("{name}.yaml") })
        })
        .collect()
}

/// `value` as one YAML document that YAML 1.1 readers such as kubectl read alike. `what` names it
/// in the error.
///
/// # Errors
/// When the value cannot be written, such as a map whose keys are not text.
pub fn to_yaml<T: Serialize>(what: &str, value: &T) -> Result<String, Error> {
    // Block scalars would fold long descriptions over several lines, which makes every edit a large
    // diff.
    let mut options = SerializerOptions::default();
    options.prefer_block_scalars = false;
    serde_saphyr::to_string_with_options(value, options)
        .map_err(|source| Error { what: what.to_owned(), source })
}
