//! What `beamline queue` has of `start-re-manager`: its options, its configuration file, and the program of that name.

mod configuration;
mod kernel;
mod keys;
mod options;
mod program;
mod variables;
mod words;

pub(crate) use options::ManagerArgs;
pub(crate) use program::Program;
pub(crate) use words::completed;
