//! Where the beamline is that a command asks: on a cluster, or at an address.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use http::HeaderValue;
use operator::Component;
use service::access::Secret;

use super::client::Client;
use super::cluster::Cluster;
use super::objects::Objects;
use super::road::Road;
use crate::called::Called;

/// A part of a beamline that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The Kubernetes API with the beamline's objects.
    Api,
    /// The registry.
    Registry,
    /// Direct control.
    Control,
    /// The queue server.
    Queue,
}

impl Part {
    /// What it is called in a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Api => "the Kubernetes API",
            Self::Registry => "the registry",
            Self::Control => "direct control",
            Self::Queue => "the queue server",
        }
    }

    /// Environment variable with its address.
    fn variable(self) -> &'static str {
        match self {
            Self::Api => "BEAMLINE_API_SERVER",
            Self::Registry => "BEAMLINE_REGISTRY_URL",
            Self::Control => "BEAMLINE_CONTROL_URL",
            Self::Queue => "BEAMLINE_QUEUE_URL",
        }
    }

    /// Its address in a beamline of this machine.
    fn usual_address(self) -> &'static str {
        match self {
            Self::Api => "http://127.0.0.1:8010",
            Self::Registry => "http://127.0.0.1:8004",
            Self::Control => "http://127.0.0.1:8003",
            Self::Queue => "http://127.0.0.1:60610",
        }
    }

    /// Its pods on a cluster; the API has none.
    pub(super) fn component(self) -> Option<Component> {
        match self {
            Self::Api => None,
            Self::Registry => Some(Component::Registry),
            Self::Control => Some(Component::Control),
            Self::Queue => Some(Component::Queue),
        }
    }
}

/// Where the beamline is: on this machine unless said otherwise, and for `kubectl beamline` on the
/// cluster of the kubeconfig.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where the beamline is")]
pub(crate) struct Place {
    /// Address of the part that is asked, instead of a cluster. Without it the environment counts:
    /// BEAMLINE_QUEUE_URL, BEAMLINE_CONTROL_URL, BEAMLINE_REGISTRY_URL, BEAMLINE_API_SERVER
    #[arg(long, conflicts_with_all = ["place_namespace", "beamline", "context", "kubeconfig"])]
    url: Option<String>,
    /// API key or access token, for parts that ask for one: `KEY`, or `Bearer TOKEN`
    #[arg(long, env = "BEAMLINE_API_KEY", hide_env_values = true)]
    api_key: Option<Secret>,
    /// Namespace on the cluster; that of the kubeconfig's context without it
    #[arg(id = "place_namespace", long = "namespace", short = 'n', value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Name of the Beamline, where the namespace has several
    #[arg(long)]
    beamline: Option<String>,
    /// Context of the kubeconfig
    #[arg(long)]
    context: Option<String>,
    /// Kubeconfig, instead of the one that kubectl would use
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

/// What a [`Place`] comes to for one part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whereabouts {
    Address(String),
    Cluster,
}

impl Place {
    /// A client of `part`. On a cluster nothing is asked of the pod yet.
    ///
    /// # Errors
    /// When the address or the kubeconfig cannot be used.
    pub(crate) async fn client(&self, part: Part) -> anyhow::Result<Client> {
        let road = match self.whereabouts(part) {
            Whereabouts::Address(address) => Road::to_address(&address)?,
            Whereabouts::Cluster => Road::to_pod(self.cluster().await?, part),
        };
        Ok(Client::new(part, road, self.authorization()?))
    }

    /// What a client shows of itself. The Kubernetes API has logins of its own.
    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let Some(key) = self.api_key.as_ref().map(Secret::reveal).filter(|key| !key.is_empty())
        else {
            return Ok(None);
        };
        let text = match key.split_once(' ') {
            Some(_) => key.to_owned(),
            None => format!("ApiKey {key}"),
        };
        let mut value = HeaderValue::try_from(text).context("the API key cannot be sent")?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The objects of the beamline.
    ///
    /// # Errors
    /// When the address or the kubeconfig cannot be used.
    pub(crate) async fn objects(&self) -> anyhow::Result<Objects> {
        match self.whereabouts(Part::Api) {
            Whereabouts::Cluster => {
                let Cluster { client, namespace, .. } = self.cluster().await?;
                Ok(Objects { client, namespace })
            }
            Whereabouts::Address(address) => {
                let uri = address.parse().with_context(|| {
                    format!("{address} is not an address of {}", Part::Api.name())
                })?;
                let config = kube::Config::new(uri);
                let namespace = config.default_namespace.clone();
                Ok(Objects { client: kube::Client::try_from(config)?, namespace })
            }
        }
    }

    /// The cluster, if that is where `part` is.
    pub(super) async fn on_cluster(&self, part: Part) -> anyhow::Result<Option<Cluster>> {
        match self.whereabouts(part) {
            Whereabouts::Cluster => self.cluster().await.map(Some),
            Whereabouts::Address(_) => Ok(None),
        }
    }

    /// Whether one address was given on the command line.
    pub(super) fn is_one_address(&self) -> bool {
        self.url.is_some()
    }

    async fn cluster(&self) -> anyhow::Result<Cluster> {
        let Self { url: _, api_key: _, namespace, beamline, context, kubeconfig } = self;
        let client = super::cluster::client(kubeconfig.as_deref(), context.clone()).await?;
        let namespace = namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Cluster { client, namespace, beamline: beamline.clone() })
    }

    fn whereabouts(&self, part: Part) -> Whereabouts {
        let address = std::env::var(part.variable()).ok().filter(|address| !address.is_empty());
        self.decide(part, address, Called::now() == Called::Plugin)
    }

    /// What is said on the command line counts before the environment, and that before the name of
    /// the executable.
    fn decide(&self, part: Part, environment: Option<String>, plugin: bool) -> Whereabouts {
        let Self { url, api_key: _, namespace, beamline, context, kubeconfig } = self;
        let names_cluster =
            namespace.is_some() || beamline.is_some() || context.is_some() || kubeconfig.is_some();
        match (url, environment) {
            (Some(address), _) => Whereabouts::Address(address.clone()),
            _ if names_cluster => Whereabouts::Cluster,
            (None, Some(address)) => Whereabouts::Address(address),
            (None, None) if plugin => Whereabouts::Cluster,
            (None, None) => Whereabouts::Address(part.usual_address().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Whereabouts {
        Whereabouts::Address(text.to_owned())
    }

    #[test]
    fn the_command_line_counts_before_the_environment_and_that_before_the_name_of_the_executable() {
        let nothing = Place::default();
        let usual = address("http://127.0.0.1:60610");
        assert_eq!(nothing.decide(Part::Queue, None, false), usual);
        assert_eq!(nothing.decide(Part::Queue, None, true), Whereabouts::Cluster);
        let environment = || Some("http://elsewhere".to_owned());
        assert_eq!(nothing.decide(Part::Queue, environment(), true), address("http://elsewhere"));

        let namespace = Place { namespace: Some("bl01".to_owned()), ..Place::default() };
        assert_eq!(namespace.decide(Part::Queue, environment(), false), Whereabouts::Cluster);
        let url = Place { url: Some("http://here".to_owned()), ..Place::default() };
        assert_eq!(url.decide(Part::Queue, environment(), true), address("http://here"));
    }
}
