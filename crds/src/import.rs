//! Other descriptions of devices as resources: what `beamline import` and the registry's seeding
//! read.
//!
//! Every format is read entry by entry, and every entry either becomes a resource or is named with
//! what is wrong. Names of objects are derived from the real names, so importing twice gives the
//! same objects.

mod dbl;
mod format;
mod queueserver;

pub use format::Format;

use std::collections::BTreeMap;

use kube::core::ObjectMeta;

use crate::names::object_name;
use crate::{
    Device, DeviceSpec, ProcessVariable, ProcessVariableSpec, bits, device, happi,
    process_variable, yaml,
};

/// How many bad entries an error names.
const SHOWN: usize = 20;

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry}: {problem}")]
pub struct Problem {
    /// Where: the name of the entry, or its line.
    pub entry: String,
    /// What is wrong.
    pub problem: String,
}

/// A text could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither JSON nor YAML, where it must be.
    #[error("failed to parse the {what}: {reason}")]
    Syntax {
        /// What the text should be.
        what: &'static str,
        /// What is wrong, with its place.
        reason: String,
    },
    /// Something else altogether.
    #[error("failed to read the {what}: {expected}")]
    Shape {
        /// What the text should be.
        what: &'static str,
        /// What was expected and is not there.
        expected: &'static str,
    },
    /// Nothing tells what the text is.
    #[error(
        "failed to tell what this is: neither a happi database, nor a BITS device list, nor a list \
         of existing plans and devices, nor what dbl prints; name the format"
    )]
    Unknown,
    /// Some entries are wrong.
    #[error("failed to read {} of {total} {format} entries: {}", problems.len(), shown(problems))]
    Entries {
        /// Format of the entries.
        format: Format,
        /// What is wrong, by entry.
        problems: Vec<Problem>,
        /// How many entries there are.
        total: usize,
    },
}

/// The first problems, in one line.
pub fn shown(problems: &[Problem]) -> String {
    let mut text =
        problems.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if problems.len() > SHOWN {
        text.push_str(&format!("; ...and {} more", problems.len() - SHOWN));
    }
    text
}

/// What came of a text.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What it was.
    pub format: Format,
    /// Devices, in its order.
    pub devices: Vec<Device>,
    /// PVs without a device, in its order.
    pub pvs: Vec<ProcessVariable>,
    /// What could not be imported.
    pub problems: Vec<Problem>,
    /// The entry that each object came from, by the object's name.
    entries: BTreeMap<(&'static str, String), String>,
}

/// Reads `text`, which is in that format, or in the one that it looks like.
///
/// # Errors
/// When the text as a whole is not what it should be. Bad entries are in [`Imported::problems`].
pub fn read(text: &str, format: Option<Format>) -> Result<Imported, Error> {
    match format.or_else(|| format::detect(text)).ok_or(Error::Unknown)? {
        Format::Happi => happi::read(text),
        Format::Bits => bits::read(text, None),
        Format::Queueserver => queueserver::read(text),
        Format::Dbl => Ok(dbl::read(text)),
    }
}

impl Imported {
    pub(crate) fn new(format: Format) -> Self {
        let (devices, pvs, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { format, devices, pvs, problems, entries: BTreeMap::new() }
    }

    /// Takes what `entry` says, or what is wrong with it.
    pub(crate) fn device(&mut self, entry: &str, spec: Result<DeviceSpec, String>) {
        let device = spec.and_then(|spec| {
            if !device::is_legal_name(&spec.name) {
                return Err("the name must be printable ASCII without blanks or '/'".to_owned());
            }
            let metadata = self.claim("device", entry, &spec.name)?;
            Ok(Device { metadata, spec, status: None })
        });
        match device {
            Ok(device) => self.devices.push(device),
            Err(problem) => self.problem(entry, problem),
        }
    }

    /// As [`Imported::device`], for a PV without a device.
    pub(crate) fn pv(&mut self, entry: &str, spec: ProcessVariableSpec) {
        if !process_variable::is_legal_name(&spec.pv_name) {
            let problem = "the name of a PV must be printable ASCII without blanks";
            return self.problem(entry, problem.to_owned());
        }
        match self.claim("PV", entry, &spec.pv_name) {
            Ok(metadata) => self.pvs.push(ProcessVariable { metadata, spec, status: None }),
            Err(problem) => self.problem(entry, problem),
        }
    }

    /// Takes an entry that cannot be imported.
    pub(crate) fn problem(&mut self, entry: &str, problem: String) {
        self.problems.push(Problem { entry: entry.to_owned(), problem });
    }

    fn claim(&mut self, what: &'static str, entry: &str, name: &str) -> Result<ObjectMeta, String> {
        let object = object_name(name);
        match self.entries.insert((what, object.clone()), entry.to_owned()) {
            None => Ok(ObjectMeta { name: Some(object), ..ObjectMeta::default() }),
            Some(first) => {
                let problem = format!("the {what} '{name}' is there already, from {first}");
                self.entries.insert((what, object), first);
                Err(problem)
            }
        }
    }

    /// How many entries there were.
    pub fn total(&self) -> usize {
        self.devices.len() + self.pvs.len() + self.problems.len()
    }

    /// All of it, or nothing.
    ///
    /// # Errors
    /// When any entry is wrong: the error names them.
    pub fn complete(self) -> Result<Self, Error> {
        match self.incomplete() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// What could not be imported, if anything.
    pub fn incomplete(&self) -> Option<Error> {
        (!self.problems.is_empty()).then(|| Error::Entries {
            format: self.format,
            problems: self.problems.clone(),
            total: self.total(),
        })
    }

    /// The resources as manifests: one YAML text, a document each, in the order of the import.
    ///
    /// # Errors
    /// When one cannot be written, which would be a defect of ours.
    pub fn manifests(&self) -> Result<String, yaml::Error> {
        let devices = self.devices.iter().map(|one| yaml::to_yaml(&one.spec.name, one));
        let pvs = self.pvs.iter().map(|one| yaml::to_yaml(&one.spec.pv_name, one));
        Ok(devices.chain(pvs).collect::<Result<Vec<_>, _>>()?.join("---\n"))
    }
}
