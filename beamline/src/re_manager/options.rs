//! The options of `start-re-manager` that are about more than the queue, and those that are taken and change nothing
//! (contract queue-server §2.15).

use std::path::PathBuf;

use clap::{ArgAction, Args};
use crds::ipython_kernel::IpythonKernel;
use queue_pod::console::{Level, Output, Shown};
use service::settings::lax_bool;

use super::kernel::KernelArgs;
use crate::remote::Usage;

/// Variable of the private key of the 0MQ control socket under its earlier name.
const OLD_PRIVATE_KEY: &str = "QSERVER_ZMQ_PRIVATE_KEY";
// Read here, and not with the options: in a pod it is nothing to be set.
/// Variable of the configuration file.
const CONFIGURATION: &str = "QSERVER_CONFIG";

/// Options of `start-re-manager`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "As start-re-manager has them")]
pub(crate) struct ManagerArgs {
    /// Configuration file of `start-re-manager`, or a folder of them; `QSERVER_CONFIG` when absent. Options count before it, and it counts before variables.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Whether console and status are published over 0MQ, at `--zmq-info-addr`: `ON` or `OFF`.
    #[arg(
        long,
        value_name = "ON|OFF",
        default_value = "ON",
        value_parser = lax_bool,
        action = ArgAction::Set
    )]
    zmq_publish_console: bool,
    /// Whether the console is printed to the standard output: `ON` or `OFF`. When absent it is in the log.
    #[arg(long, value_name = "ON|OFF", value_parser = lax_bool, action = ArgAction::Set)]
    console_output: Option<bool>,
    /// Log everything.
    #[arg(long, group = "verbosity")]
    verbose: bool,
    /// Print and log warnings and errors only. What plans print is printed all the same.
    #[arg(long, group = "verbosity")]
    quiet: bool,
    /// Print and log nothing. What plans print is printed all the same.
    #[arg(long, group = "verbosity")]
    silent: bool,
    /// Name of the folder of the state, in `~/.local/state/beamline`. Counts for `start-re-manager` without `--state`.
    #[arg(long, value_name = "NAME", default_value = "qs_default")]
    pub(super) redis_name_prefix: String,
    /// Earlier name of `--zmq-control-addr`.
    #[arg(long, value_name = "ADDRESS")]
    zmq_addr: Option<String>,
    /// Earlier name of `--zmq-info-addr`.
    #[arg(long, value_name = "ADDRESS")]
    zmq_publish_console_addr: Option<String>,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    idle: IdleArgs,
}

/// Options that are taken because sites give them. There is no Redis for them to be about.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Of start-re-manager, without effect here")]
struct IdleArgs {
    /// There is no Redis: the queue is in the folder of the state.
    #[arg(long, value_name = "ADDRESS")]
    redis_addr: Option<String>,
    /// The Run Engine of the profile is kept in any case.
    #[arg(long)]
    keep_re: bool,
}

impl IdleArgs {
    /// Those that were given.
    fn given(&self) -> Vec<&'static str> {
        let all = [("--redis-addr", self.redis_addr.is_some()), ("--keep-re", self.keep_re)];
        all.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }
}

impl ManagerArgs {
    /// What is logged, as one level; the usual when absent.
    pub(crate) fn log_level(&self) -> Option<&'static str> {
        match (self.verbose, self.quiet, self.silent) {
            (true, _, _) => Some("debug"),
            (_, true, _) => Some("warn"),
            (_, _, true) => Some("off"),
            _ => None,
        }
    }

    /// The configuration, if there is one.
    pub(super) fn configuration(&self) -> Option<PathBuf> {
        let usual = || std::env::var_os(CONFIGURATION).filter(|path| !path.is_empty());
        self.config.clone().or_else(|| usual().map(PathBuf::from))
    }

    /// The options that were given under an earlier name: that, the one of today, and the value.
    pub(super) fn renamed(&self) -> Vec<(&'static str, &'static str, &str)> {
        let all = [
            ("--zmq-addr", "zmq-control-addr", &self.zmq_addr),
            ("--zmq-publish-console-addr", "zmq-info-addr", &self.zmq_publish_console_addr),
        ];
        all.into_iter()
            .filter_map(|(old, new, value)| Some((old, new, value.as_deref()?)))
            .collect()
    }

    /// The IPython kernel that is asked for, by options or variables.
    ///
    /// # Errors
    /// [`Usage`] when a value is none.
    pub(crate) fn kernel(&self) -> Result<Option<IpythonKernel>, Usage> {
        self.kernel.kernel(|name| std::env::var(name).ok())
    }

    /// The settings of the server with what is said here.
    pub(crate) fn applied(&self, mut settings: queue_pod::Settings) -> queue_pod::Settings {
        settings.zmq_publish = self.zmq_publish_console;
        settings.output = Output { least: self.least(), shown: self.shown() };
        if settings.zmq_private_key.is_none() {
            settings.zmq_private_key = std::env::var(OLD_PRIVATE_KEY).ok();
        }
        settings
    }

    /// Says in the log which options and variables are no longer what they were.
    pub(crate) fn warn(&self) {
        for option in self.idle.given() {
            tracing::warn!(option, "this option of start-re-manager has no effect here");
        }
        for (option, instead, _) in self.renamed() {
            tracing::warn!(option, instead, "this option has another name today");
        }
        if std::env::var_os(OLD_PRIVATE_KEY).is_some() {
            let instead = "QSERVER_ZMQ_PRIVATE_KEY_FOR_SERVER";
            tracing::warn!(variable = OLD_PRIVATE_KEY, instead, "has another name today");
        }
    }

    fn least(&self) -> Option<Level> {
        match (self.quiet, self.silent) {
            (true, _) => Some(Level::Warning),
            (_, true) => None,
            _ => Some(Level::Info),
        }
    }

    fn shown(&self) -> Shown {
        match self.console_output {
            Some(true) => Shown::Output,
            Some(false) => Shown::Nowhere,
            None => Shown::Log,
        }
    }
}
