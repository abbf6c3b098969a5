//! The verdict on a set of manifests: what the API would refuse, what the operator would not accept,
//! and what contradicts another one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use crds::claims::{Owners, device_owners, pv_owners};
use crds::conditions::{Verdict, reasons};
use crds::resolve::Catalogue;
use crds::{Beamline, Device, DeviceClass, DeviceClassSpec, ProcessVariable};
use embedded::Checker;
use kube::ResourceExt;
use operator::judge;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::manifests::Document;

/// One thing that is wrong, and where. Sorts by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// File of the manifest.
    pub(super) file: PathBuf,
    /// Document of the file, from 1; 0 for the file as a whole.
    pub(super) document: usize,
    /// Kind and name.
    pub(super) object: String,
    /// Path of the field; empty for the object as a whole.
    pub(super) field: String,
    /// What is wrong.
    pub(super) message: String,
    /// Whether the object would be refused or never become ready; else it works, but not fully.
    pub(super) is_error: bool,
}

impl Finding {
    /// A file that could not be read.
    pub(super) fn unreadable(file: &Path, error: &anyhow::Error) -> Self {
        Self {
            file: file.to_owned(),
            document: 0,
            object: String::new(),
            field: String::new(),
            message: format!("{error:#}"),
            is_error: true,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, document, object, field, message, is_error } = self;
        let level = if *is_error { "error" } else { "warning" };
        if *document == 0 {
            return write!(f, "{level}: {message}");
        }
        write!(f, "{level}: {}, document {document}, {object}: ", file.display())?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        f.write_str(message)
    }
}

/// Everything that was judged.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// Objects that were looked at.
    pub(super) judged: usize,
    /// Objects of kinds that are not known here.
    pub(super) others: usize,
}

/// Judges manifests, all of them together.
pub(super) struct Judge {
    checker: Checker,
    shipped: Vec<DeviceClassSpec>,
    documents: Vec<Document>,
}

/// The objects of a namespace that passed their schema, each with its document.
#[derive(Default)]
struct Namespace<'a> {
    devices: Vec<(&'a Document, Device)>,
    pvs: Vec<(&'a Document, ProcessVariable)>,
    classes: Vec<DeviceClassSpec>,
    beamlines: Vec<(&'a Document, Beamline)>,
}

impl Judge {
    /// A judge that has seen nothing.
    pub(super) fn new() -> anyhow::Result<Self> {
        let shipped = crds::catalogue::shipped()?.into_iter().map(|class| class.spec).collect();
        let checker = Checker::new(&crds::all()).context("the definitions cannot be used")?;
        Ok(Self { checker, shipped, documents: Vec::new() })
    }

    /// Takes the objects of `documents`, and those within lists.
    pub(super) fn take(&mut self, documents: Vec<Document>) {
        for document in documents {
            let items = (document.content["kind"] == "List").then(|| &document.content["items"]);
            match items.and_then(Value::as_array) {
                Some(items) => self.documents.extend(items.iter().map(|item| Document {
                    file: document.file.clone(),
                    number: document.number,
                    content: item.clone(),
                })),
                None => self.documents.push(document),
            }
        }
    }

    /// The verdict on all that was taken.
    pub(super) fn findings(&self) -> Judgement {
        let mut judgement = Judgement::default();
        let mut namespaces: BTreeMap<&str, Namespace<'_>> = BTreeMap::new();
        let mut seen: BTreeMap<[&str; 3], &Document> = BTreeMap::new();
        for document in &self.documents {
            let text = |pointer| document.content.pointer(pointer).and_then(Value::as_str);
            let Some(kind) = text("/kind").filter(|_| text("/apiVersion").is_some()) else {
                judgement.findings.push(error(document, "", "apiVersion and kind are required"));
                continue;
            };
            let Some(faults) = self.checker.check(&document.content) else {
                if text("/apiVersion").is_some_and(is_ours) {
                    let message = format!("there is no kind {kind} in this version");
                    judgement.findings.push(error(document, "apiVersion", &message));
                } else {
                    judgement.others += 1;
                }
                continue;
            };
            judgement.judged += 1;
            let is_fine = faults.is_empty();
            judgement
                .findings
                .extend(faults.iter().map(|fault| error(document, &fault.field, &fault.message)));
            let namespace = text("/metadata/namespace").unwrap_or_default();
            if let Some(name) = text("/metadata/name")
                && let Some(first) = seen.insert([kind, namespace, name], document)
            {
                let message = format!(
                    "the same object is in {}, document {}",
                    first.file.display(),
                    first.number
                );
                judgement.findings.push(error(document, "metadata.name", &message));
                continue;
            }
            if is_fine {
                namespaces.entry(namespace).or_default().add(kind, document);
            }
        }
        for namespace in namespaces.values() {
            judgement.findings.extend(self.judge(namespace));
        }
        judgement
    }

    fn judge(&self, namespace: &Namespace<'_>) -> Vec<Finding> {
        let Namespace { devices, pvs, classes, beamlines } = namespace;
        let catalogue = Arc::new(Catalogue::new(self.shipped.iter().chain(classes).cloned()));
        let mut findings = Vec::new();
        let owners = device_owners(devices.iter().map(|(_, device)| device));
        for (document, device) in devices {
            let rival = rival(&owners, &device.spec.name, device);
            findings.extend(of_verdict(document, &judge::device(device, &catalogue, rival)));
        }
        let owners = pv_owners(pvs.iter().map(|(_, pv)| pv));
        for (document, pv) in pvs {
            let rival = rival(&owners, &pv.spec.pv_name, pv);
            let verdict = judge::process_variable(pv, rival.as_ref());
            findings.extend(of_verdict(document, &verdict));
        }
        for (place, (document, beamline)) in beamlines.iter().enumerate() {
            let first = beamlines.first().filter(|_| place > 0).map(|(_, first)| first.name_any());
            if let Err(reason) = judge::beamline(beamline, first.as_deref()) {
                findings.push(error(document, "", &reason));
            }
        }
        findings
    }
}

impl<'a> Namespace<'a> {
    /// Adds an object that fits its schema.
    fn add(&mut self, kind: &str, document: &'a Document) {
        match kind {
            "Device" => self.devices.extend(typed(document)),
            "ProcessVariable" => self.pvs.extend(typed(document)),
            "Beamline" => self.beamlines.extend(typed(document)),
            "DeviceClass" => {
                self.classes.extend(typed(document).map(|(_, class): (_, DeviceClass)| class.spec))
            }
            _ => {}
        }
    }
}

/// The object of a document, which fits its schema and so its type.
fn typed<T: DeserializeOwned>(document: &Document) -> Option<(&Document, T)> {
    Some((document, serde_json::from_value(document.content.clone()).ok()?))
}

fn rival(owners: &Owners, name: &str, object: &impl ResourceExt) -> Option<crds::claims::Claim> {
    owners.get(name).filter(|owner| owner.object != object.name_any()).cloned()
}

/// What a condition says, unless it is how things should be.
fn of_verdict(document: &Document, verdict: &Verdict) -> Option<Finding> {
    let is_ready = verdict.status == Some(true);
    let field = match verdict.reason {
        reasons::CONFLICT => "spec",
        reasons::UNKNOWN_CLASS => "spec.deviceClass",
        reasons::INVALID_SPEC => "spec.prefix",
        _ => return None,
    };
    let mut finding = error(document, field, &verdict.message);
    finding.is_error = !is_ready;
    Some(finding)
}

fn error(document: &Document, field: &str, message: &str) -> Finding {
    let text = |pointer| document.content.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
    let object =
        format!("{} {}", text("/kind").unwrap_or("object"), name.unwrap_or("without a name"));
    Finding {
        file: document.file.clone(),
        document: document.number,
        object,
        field: field.to_owned(),
        message: message.to_owned(),
        is_error: true,
    }
}

fn is_ours(api_version: &str) -> bool {
    api_version.split('/').next() == Some(crds::GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::parse;

    fn judged(text: &str) -> Judgement {
        let mut judge = Judge::new().unwrap();
        judge.take(parse(Path::new("f.yaml"), text).unwrap());
        judge.findings()
    }

    fn findings(text: &str) -> Vec<String> {
        judged(text).findings.iter().map(ToString::to_string).collect()
    }

    fn device(object: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: beamline.dev/v1alpha1\nkind: Device\nmetadata: {{name: {object}}}\nspec: {spec}\n"
        )
    }

    #[test]
    fn good_manifests_have_no_findings_and_other_kinds_are_counted() {
        let mut text = device("m", "{name: m, deviceClass: ophyd.EpicsMotor, prefix: X}");
        text.push_str("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n");
        let judgement = judged(&text);
        assert_eq!((judgement.findings, judgement.judged, judgement.others), (vec![], 1, 1));
    }

    #[test]
    fn file_document_object_and_field_are_named() {
        let text = device("a", "{name: a, deviceClass: ophyd.EpicsMotor, prefix: X}")
            + &device("b", "{name: b, deviceClass: ophyd.EpicsMotor, prefiks: X}");
        assert_eq!(
            findings(&text),
            ["error: f.yaml, document 2, Device b: spec.prefiks: unknown field"]
        );
    }

    #[test]
    fn a_class_that_only_the_files_describe_is_known() {
        let spec = "{name: s, deviceClass: lab.Stage, prefix: X}";
        let found = findings(&device("s", spec));
        assert!(found[0].starts_with("error: f.yaml, document 1, Device s: spec.deviceClass: no"));
        let class = "---\napiVersion: beamline.dev/v1alpha1\nkind: DeviceClass\nmetadata: {name: s}\n\
            spec: {classPath: lab.Stage, deviceLabel: motor, behaviour: Positioner, components: [{name: x, suffix: X}]}\n";
        assert_eq!(findings(&(device("s", spec) + class)), Vec::<String>::new());
    }

    #[test]
    fn a_device_that_works_in_part_is_a_warning() {
        let judgement = judged(&device("s", "{name: s, deviceClass: site.Odd, pvs: {a: X}}"));
        assert_eq!(judgement.findings.len(), 1);
        assert!(!judgement.findings[0].is_error);
    }

    #[test]
    fn objects_that_contradict_each_other_are_found() {
        let spec = "{name: m, deviceClass: ophyd.EpicsMotor, prefix: X}";
        let found = findings(&(device("a", spec) + &device("b", spec)));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("Device b: spec: the older Device 'a'"), "{found:?}");
        let found = findings(&(device("a", spec) + &device("a", spec)));
        assert!(found[0].contains("the same object is in f.yaml, document 1"), "{found:?}");
    }

    #[test]
    fn what_is_no_object_of_ours_says_so() {
        let found = findings("a: 1\n---\napiVersion: beamline.dev/v9\nkind: Device\n");
        assert!(found[0].ends_with("apiVersion and kind are required"), "{found:?}");
        assert!(found[1].ends_with("there is no kind Device in this version"), "{found:?}");
    }
}
