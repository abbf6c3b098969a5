//! The objects around the pods of a beamline: one list for every kind.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};

/// Objects of a beamline, by kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Children {
    pub(super) config_maps: Vec<ConfigMap>,
    pub(super) service_accounts: Vec<ServiceAccount>,
    pub(super) roles: Vec<Role>,
    pub(super) role_bindings: Vec<RoleBinding>,
    pub(super) network_policies: Vec<NetworkPolicy>,
    pub(super) disruption_budgets: Vec<PodDisruptionBudget>,
    pub(super) services: Vec<Service>,
    pub(super) deployments: Vec<Deployment>,
}
