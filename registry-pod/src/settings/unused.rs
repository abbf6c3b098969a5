//! Settings of the Python service that have nothing to set here. They are taken, so that an
//! environment that was made for it works, and each that is given is logged once.

use std::convert::Infallible;

use clap::Args;

/// Whether a setting was given. What it said is not kept: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Given(bool);

fn given(text: &str) -> Result<Given, Infallible> {
    Ok(Given(!text.is_empty()))
}

/// See the module.
#[derive(Args, Clone, Debug, Default)]
pub struct Unused {
    /// Without effect: the Kubernetes API is the store.
    #[arg(
        id = "registry_database_url",
        long = "registry-database-url",
        env = "CONFIG_DATABASE_URL",
        value_name = "DSN",
        hide_env_values = true,
        value_parser = given
    )]
    database_url: Option<Given>,
    /// Without effect: the name of the pod says who answers.
    #[arg(
        id = "registry_service_id",
        long = "registry-service-id",
        env = "CONFIG_SERVICE_ID",
        value_name = "ID",
        value_parser = given
    )]
    service_id: Option<Given>,
    /// Without effect: `/metrics` is always served.
    #[arg(
        id = "registry_metrics_enabled",
        long = "registry-metrics-enabled",
        env = "CONFIG_METRICS_ENABLED",
        value_name = "BOOL",
        value_parser = given
    )]
    metrics_enabled: Option<Given>,
    /// Without effect: `/metrics` is served on the port of the API.
    #[arg(
        id = "registry_metrics_port",
        long = "registry-metrics-port",
        env = "CONFIG_METRICS_PORT",
        value_name = "PORT",
        value_parser = given
    )]
    metrics_port: Option<Given>,
}

impl Unused {
    /// The settings that were given, and why each has no effect.
    fn found(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let Self { database_url, service_id, metrics_enabled, metrics_port } = self;
        [
            (database_url, "CONFIG_DATABASE_URL", "the Kubernetes API is the store"),
            (service_id, "CONFIG_SERVICE_ID", "the name of the pod says who answers"),
            (metrics_enabled, "CONFIG_METRICS_ENABLED", "/metrics is always served"),
            (metrics_port, "CONFIG_METRICS_PORT", "/metrics is served on the port of the API"),
        ]
        .into_iter()
        .filter(|(given, _, _)| **given == Some(Given(true)))
        .map(|(_, name, why)| (name, why))
    }

    /// Says so in the log.
    pub(crate) fn log(&self) {
        for (setting, why) in self.found() {
            tracing::info!(setting, why, "a setting has no effect");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn what_is_given_is_named_and_not_kept() {
        let command = Unused::augment_args(clap::Command::new("registry"));
        let arguments = [
            "registry",
            "--registry-database-url",
            "postgresql://u:secret@h/d",
            "--registry-service-id",
            "",
        ];
        let unused = Unused::from_arg_matches(&command.get_matches_from(arguments)).unwrap();
        let found: Vec<_> = unused.found().map(|(name, _)| name).collect();
        assert_eq!(found, ["CONFIG_DATABASE_URL"], "an empty one is not given");
        assert!(!format!("{unused:?}").contains("secret"));
    }
}
