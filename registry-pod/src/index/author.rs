//! Who wrote an object last, as Kubernetes notes it with the fields that each writer manages.

use kube::api::ObjectMeta;

/// Longest name of a field manager that the API takes.
const LONGEST: usize = 128;

/// The field manager that wrote the object last, its status aside: `kubectl-client-side-apply`,
/// `helm`, `argocd-controller`. Kubernetes notes the second of a write; within one the order in
/// its list decides. None when it notes nobody.
pub(super) fn author(object: &ObjectMeta) -> Option<String> {
    let writers = object.managed_fields.iter().flatten();
    let latest = writers
        .filter(|writer| writer.subresource.as_ref().is_none_or(String::is_empty))
        .max_by_key(|writer| writer.time.as_ref().map(|time| time.0))?;
    latest.manager.as_ref().map(|manager| manager.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(writers: &serde_json::Value) -> Option<String> {
        author(&serde_json::from_value(json!({ "managedFields": writers })).unwrap())
    }

    #[test]
    fn the_last_to_write_something_else_than_the_status_is_the_author() {
        let at = |second: u8, manager: &str, subresource: &str| {
            json!({
                "manager": manager, "subresource": subresource, "operation": "Update",
                "time": format!("2026-01-01T00:00:{second:02}Z"),
            })
        };
        let helm = at(3, "helm", "");
        let status = at(9, "beamline-control", "status");
        assert_eq!(of(&json!([at(1, "kubectl-edit", ""), helm, status])).unwrap(), "helm");
        assert_eq!(of(&json!([at(3, "helm", ""), at(3, "kubectl", "")])).unwrap(), "kubectl");
        assert_eq!(of(&json!([status])), None);
        assert_eq!(of(&json!([])), None);
    }
}
