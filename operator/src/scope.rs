//! Which namespaces the operator looks after.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

/// A kind that the operator reads: its objects are in namespaces.
pub(crate) trait Namespaced:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Namespaced for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Which namespaces the operator looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of the cluster.
    Cluster,
    /// One.
    Namespace(String),
}

impl Scope {
    /// The objects of a kind in this scope, to list and watch.
    pub(crate) fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match self {
            Self::Cluster => Api::all(client.clone()),
            Self::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        }
    }
}

impl From<&str> for Scope {
    /// The namespace of that name; the whole cluster when it is empty.
    fn from(namespace: &str) -> Self {
        match namespace {
            "" => Self::Cluster,
            name => Self::Namespace(name.to_owned()),
        }
    }
}
