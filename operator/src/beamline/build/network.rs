//! Who may connect to the pods of a part, and how many of them may be evicted.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use super::names::Component;
use crate::beamline::validate::Valid;

/// Who may connect to a part: pods of the namespace and those whom the user names, to its ports.
/// A worker is connected to by nobody. None when policies are off.
pub(super) fn policy(valid: &Valid, component: Component) -> Option<NetworkPolicy> {
    if !valid.network_policy.enabled {
        return None;
    }
    let neighbours = NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    };
    let from = std::iter::once(neighbours).chain(valid.network_policy.from.iter().cloned());
    let ports = component.ports().iter().map(|(_, port, protocol)| NetworkPolicyPort {
        port: Some(IntOrString::Int(*port)),
        protocol: Some((*protocol).to_owned()),
        end_port: None,
    });
    let rule =
        NetworkPolicyIngressRule { from: Some(from.collect()), ports: Some(ports.collect()) };
    Some(NetworkPolicy {
        metadata: metadata(valid, component),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(valid, component)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: (!component.ports().is_empty()).then(|| vec![rule]),
            egress: None,
        }),
    })
}

/// How many pods of a part may be evicted at a time; none when budgets are off.
pub(super) fn disruption_budget(
    valid: &Valid,
    component: Component,
) -> Option<PodDisruptionBudget> {
    valid.disruption.enabled.then(|| PodDisruptionBudget {
        metadata: metadata(valid, component),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(valid.disruption.max_unavailable)),
            selector: Some(selector(valid, component)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

fn selector(valid: &Valid, component: Component) -> LabelSelector {
    LabelSelector { match_labels: Some(component.selector(&valid.name)), match_expressions: None }
}
