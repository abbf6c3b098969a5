//! What the pods of a part may do at the Kubernetes API: an account, and a role in their own
//! namespace with no more than the part uses.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::metadata;
use super::names::Component;
use crate::beamline::validate::Valid;

const OURS: &str = "beamline.dev";
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];
const STATUS: [&str; 3] = ["get", "update", "patch"];

/// The account of a part.
pub(super) fn service_account(
    valid: &Valid,
    component: Component,
    annotations: &BTreeMap<String, String>,
) -> ServiceAccount {
    let mut metadata = metadata(valid, component);
    if !annotations.is_empty() {
        metadata.annotations = Some(annotations.clone());
    }
    ServiceAccount {
        metadata,
        automount_service_account_token: Some(talks_to_the_api(component)),
        ..ServiceAccount::default()
    }
}

/// The role of a part; none for one that does not talk to the API.
pub(super) fn role(valid: &Valid, component: Component) -> Option<Role> {
    talks_to_the_api(component)
        .then(|| Role { metadata: metadata(valid, component), rules: Some(rules(component)) })
}

/// Gives the role of a part to its account.
pub(super) fn role_binding(valid: &Valid, component: Component) -> Option<RoleBinding> {
    let name = component.object_name(&valid.name);
    talks_to_the_api(component).then(|| RoleBinding {
        metadata: metadata(valid, component),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name,
            namespace: Some(valid.namespace.clone()),
            api_group: None,
        }]),
    })
}

fn talks_to_the_api(component: Component) -> bool {
    component != Component::SimIoc
}

fn rules(component: Component) -> Vec<PolicyRule> {
    match component {
        Component::Registry => vec![
            rule(OURS, &["devices", "processvariables"], &WRITE),
            rule(OURS, &["deviceclasses"], &READ),
            rule(OURS, &["devicelocks"], &["get", "list", "watch", "create", "update"]),
            rule("", &["configmaps"], &WRITE),
        ],
        Component::Control => vec![
            rule(OURS, &["devices", "processvariables", "deviceclasses", "devicelocks"], &READ),
            rule(OURS, &["devices/status", "processvariables/status"], &STATUS),
            rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "create", "update"]),
        ],
        Component::Queue => vec![
            rule(OURS, &["queueitems", "queues", "planworkers"], &WRITE),
            rule(OURS, &["queueitems/status", "queues/status", "planworkers/status"], &STATUS),
            rule(OURS, &["devices", "deviceclasses"], &READ),
            // An empty registry begins with the devices of the profile, and follows it when a user says so.
            rule(OURS, &["devices"], &["create", "update", "delete"]),
            rule(OURS, &["devicelocks"], &["get", "list", "watch", "create", "update"]),
            rule("", &["secrets"], &["get", "create", "update", "delete"]),
            rule("", &["configmaps"], &["get", "create", "update", "patch"]),
            rule("", &["pods"], &["get", "list", "patch"]),
            rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "create", "update"]),
            rule("events.k8s.io", &["events"], &["create", "patch"]),
        ],
        Component::Worker => vec![
            rule(OURS, &["devices", "deviceclasses"], &READ),
            rule(OURS, &["queues"], &["get"]),
        ],
        Component::SimIoc => Vec::new(),
    }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of the operator in its chart, without the words of the template around them.
    const CHART: &str = include_str!("../../../../helm/beamline-operator/templates/_rules.tpl");
    const ALL: [Component; 5] = [
        Component::Registry,
        Component::Control,
        Component::Queue,
        Component::SimIoc,
        Component::Worker,
    ];

    fn of_the_operator() -> Vec<PolicyRule> {
        let lines = CHART.lines().skip_while(|line| !line.starts_with("- apiGroups"));
        let rules: Vec<_> = lines.take_while(|line| !line.starts_with("{{")).collect();
        serde_saphyr::from_str(&rules.join("\n")).unwrap()
    }

    /// Group, resource and verb of everything that the rules allow.
    fn allowed(rules: Vec<PolicyRule>) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        for rule in rules {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    let one = |verb: String| (group.clone(), resource.clone(), verb);
                    all.extend(rule.verbs.iter().cloned().map(one));
                }
            }
        }
        all
    }

    #[test]
    fn the_operator_of_the_chart_holds_all_that_it_grants() {
        let held = allowed(of_the_operator());
        for component in ALL {
            for granted in allowed(rules(component)) {
                assert!(held.contains(&granted), "{component:?} is granted {granted:?}");
            }
        }
    }
}
