//! What this API would say of an object, without an API that runs: for manifests before they are
//! applied.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::{Resource, Unknown, WriteOptions, admit, create, metadata};
use crate::error::ApiError;
use crate::kinds::Catalogue;
use crate::schema::prune;
use crate::store::log::OpenError;

/// The schemas and rules of a set of kinds.
#[derive(Debug)]
pub struct Checker {
    catalogue: Catalogue,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, such as `spec.items[0].name`; empty for the object as a whole.
    pub field: String,
    /// What is wrong with it, as the API says it.
    pub message: String,
}

impl Checker {
    /// Knows the built-in kinds and those of `crds`.
    ///
    /// # Errors
    /// [`OpenError::Definition`] when a definition cannot be served.
    pub fn new(crds: &[CustomResourceDefinition]) -> Result<Self, OpenError> {
        Ok(Self { catalogue: Catalogue::new(crate::kinds(crds)?) })
    }

    /// Everything for which creating `object` would be refused, with `fieldValidation=Strict`. `None`
    /// for a kind that is not served here.
    pub fn check(&self, object: &Value) -> Option<Vec<Fault>> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let kind = self
            .catalogue
            .kinds()
            .find(|kind| kind.api_version() == text("apiVersion") && kind.kind == text("kind"))?
            .clone();
        let storage = 0;
        let resource = Resource { stored: kind.clone(), kind, storage };
        let mut object = object.clone();
        if let Err(error) = admit::decode(&resource.kind, &mut object) {
            return Some(faults(error));
        }
        named(&mut object);
        create::prepare(&resource, &mut object);
        let unknown = prune::prune(&resource.kind.schema, &mut object);
        let unknown =
            unknown.into_iter().map(|field| Fault { field, message: "unknown field".to_owned() });
        let options = WriteOptions { unknown: Unknown::Ignore, ..WriteOptions::default() };
        let refused = admit::admit(&resource, &mut object, None, &options).err();
        Some(unknown.chain(refused.into_iter().flat_map(faults)).collect())
    }
}

/// A name that is to be generated is judged as one that was.
fn named(object: &mut Value) {
    let given = metadata::of(object);
    let prefix = given.get("generateName").and_then(Value::as_str).unwrap_or_default();
    if !given.contains_key("name") && !prefix.is_empty() {
        let name = metadata::generate_name(prefix);
        given.insert("name".to_owned(), json!(name));
    }
}

fn faults(error: ApiError) -> Vec<Fault> {
    match error {
        ApiError::Invalid(_, problems) => problems
            .into_iter()
            .map(|problem| Fault { field: problem.field, message: problem.message })
            .collect(),
        other => vec![Fault { field: String::new(), message: other.to_string() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(object: &Value) -> Option<Vec<(String, String)>> {
        let checker = Checker::new(&crds::all()).unwrap();
        let faults = checker.check(object)?;
        Some(faults.into_iter().map(|fault| (fault.field, fault.message)).collect())
    }

    fn device(spec: &Value) -> Value {
        json!({ "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
            "metadata": { "name": "d" }, "spec": spec })
    }

    #[test]
    fn an_object_that_would_be_created_has_no_faults() {
        assert_eq!(check(&device(&json!({ "name": "d", "deviceClass": "a.B" }))), Some(vec![]));
        let secret = json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "generateName": "s-" }, "stringData": { "a": "b" } });
        assert_eq!(check(&secret), Some(vec![]));
    }

    #[test]
    fn every_fault_is_named_by_its_field() {
        let spec = json!({ "name": "has blanks", "deviceClass": "a.B", "prefiks": "X" });
        let faults = check(&device(&spec)).unwrap();
        assert_eq!(faults[0], ("spec.prefiks".to_owned(), "unknown field".to_owned()));
        assert!(
            faults[1].0 == "spec.name" && faults[1].1.starts_with("Invalid value"),
            "{faults:?}"
        );
        assert_eq!(faults.len(), 2);
    }

    #[test]
    fn rules_that_a_schema_cannot_say_are_judged_too() {
        let beamline = json!({ "apiVersion": "beamline.dev/v1alpha1", "kind": "Beamline",
            "metadata": { "name": "1st" }, "spec": {} });
        let faults = check(&beamline).unwrap();
        assert!(
            faults.iter().any(|(_, message)| message.contains("starts with a letter")),
            "{faults:?}"
        );
    }

    #[test]
    fn a_kind_that_is_not_served_is_not_judged() {
        assert_eq!(check(&json!({ "apiVersion": "apps/v1", "kind": "Deployment" })), None);
        assert_eq!(check(&json!({})), None);
    }
}
