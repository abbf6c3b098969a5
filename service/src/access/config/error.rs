//! Why a configuration cannot be used.

use std::path::PathBuf;

use crate::access::template::BadTemplate;

/// A configuration that cannot be used. Never shows what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML mapping.
    #[error("{} is not a YAML mapping", .0.display())]
    NoMapping(PathBuf),
    /// Two files of a folder have the same section.
    #[error("the section '{0}' stands in two files")]
    Twice(String),
    /// `${NAME}` names nothing.
    #[error("the environment variable '{0}' is not set")]
    Unset(String),
    /// The file says something that is not known.
    #[error("the configuration of access is not valid: {0}")]
    Invalid(#[from] serde_json::Error),
    /// Something of the Python server that is not here.
    #[error("'{name}' is not available here; available: {available}")]
    Absent {
        /// What was asked for.
        name: String,
        /// What there is.
        available: &'static str,
    },
    /// Something of the Python server that is not here, and has its place taken by something else.
    #[error("'{name}' is not available here: {instead}")]
    Elsewhere {
        /// What was asked for.
        name: String,
        /// What to do.
        instead: &'static str,
    },
    /// An argument of an authenticator.
    #[error("an argument is missing or cannot be used: {0}")]
    Argument(&'static str),
    /// A text with blanks.
    #[error(transparent)]
    Template(#[from] BadTemplate),
    /// What is wrong with a provider.
    #[error("the provider '{name}': {source}")]
    OfProvider {
        /// Its name.
        name: String,
        /// What is wrong.
        source: Box<Self>,
    },
    /// The cryptography knows no version of TLS.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A provider has no name that can stand in a path, or the name of another.
    #[error("'{0}' is not the name of one provider")]
    Provider(String),
}
