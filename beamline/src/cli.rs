//! What can be said on the command line.

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use service::telemetry::LogFormat;

use crate::called::Called;
use crate::files::{CrdsArgs, ImportArgs};
use crate::parts::{
    ControlArgs, OperatorArgs, QueueServerArgs, RegistryArgs, SimIocArgs, WorkerArgs,
};
use crate::re_manager::{self, Program};
use crate::remote::devices::DevicesArgs;
use crate::remote::doctor::DoctorArgs;
use crate::remote::engine::EngineCommand;
use crate::remote::environment::EnvironmentCommand;
use crate::remote::export::ExportArgs;
use crate::remote::history::HistoryArgs;
use crate::remote::monitor::MonitorArgs;
use crate::remote::plan::PlanCommand;
use crate::remote::queue::QueueCommand;
use crate::remote::status::StatusArgs;
use crate::remote::value::{GetArgs, SetArgs, StopArgs};
use crate::up::UpArgs;
use crate::validate::ValidateArgs;

/// Logs of a healthy system are quiet; the libraries below us only speak up when something is wrong.
///
/// What a request failed with is logged by the service that answered it; zeromq complains of sockets that it
/// has closed itself.
const DEFAULT_LOG: &str = "info,epics_base_rs=warn,epics_ca_rs=warn,ca_rs=warn,kube=warn,\
    kube_client::client::builder=off,kube_runtime=error,tower_http=off,omq_tokio=error,omq_proto=error";

/// A command that asks a beamline says in its last line what went wrong; the libraries add nothing.
const CLIENT_LOG: &str = "warn,kube=off";

/// Behind the options of every command, however many commands there are.
const LAST: usize = 1000;

/// EPICS devices, direct control and a plan queue as Kubernetes resources, on a cluster or on one machine.
#[derive(Debug, Parser)]
#[command(name = "beamline", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is logged, and how.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What is logged: a level, or a list such as `info,queue_pod=debug`.
    #[arg(id = "log", long = "log", env = "BEAMLINE_LOG", global = true, display_order = LAST)]
    filter: Option<String>,

    /// How log lines look: `human` or `json`.
    #[arg(
        id = "log_format",
        long = "log-format",
        env = "BEAMLINE_LOG_FORMAT",
        global = true,
        default_value = "human",
        display_order = LAST
    )]
    pub(crate) format: LogFormat,
}

impl Cli {
    /// What those words ask for; the first is the name of the program, which is called so.
    ///
    /// # Errors
    /// For the person at the terminal, with their exit code; help and version too.
    pub(crate) fn read(called: Called, mut words: Vec<OsString>) -> Result<Self, clap::Error> {
        if called == Called::ReManager {
            let Program { server, log } = Program::read(words)?;
            let command = Command::Queue(Box::new(QueueArgs { command: None, server }));
            return Ok(Self { command, log });
        }
        let mut command = if called == Called::Plugin { plugin_command() } else { command() };
        let matches = command.clone().try_get_matches_from(&words)?;
        let served =
            matches.subcommand().filter(|(name, of)| *name == "queue" && of.subcommand().is_none());
        if let Some((name, of)) = served
            && let Some(queue) = command.find_subcommand_mut(name)
        {
            words.extend(re_manager::completed(queue, of)?);
        }
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    /// What is logged: as asked for, or as is usual for the command.
    pub(crate) fn log(&self) -> String {
        let usual = match &self.command {
            Command::Registry(args) => DEFAULT_LOG.replacen("info", args.settings.log_level, 1),
            Command::Queue(args) if args.command.is_none() => match args.server.manager.log_level()
            {
                Some(level) => DEFAULT_LOG.replacen("info", level, 1),
                None => DEFAULT_LOG.to_owned(),
            },
            command if command.serves() => DEFAULT_LOG.to_owned(),
            _ => CLIENT_LOG.to_owned(),
        };
        self.log.filter.clone().unwrap_or(usual)
    }
}

impl Command {
    /// Whether it runs a part of a beamline. Of the queue server the options say what is logged.
    fn serves(&self) -> bool {
        matches!(
            self,
            Self::Up(_)
                | Self::Registry(_)
                | Self::Control(_)
                | Self::Operator(_)
                | Self::Worker(_)
                | Self::SimIoc(_)
        )
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole beamline on this machine.
    Up(Box<UpArgs>),
    /// Run the registry (configuration API).
    Registry(Box<RegistryArgs>),
    /// Run direct control.
    Control(Box<ControlArgs>),
    /// Run the queue server, or talk to one: `queue add`, `queue start`, …
    Queue(Box<QueueArgs>),
    /// Run the operator of a cluster.
    Operator(Box<OperatorArgs>),
    /// Run plans for a queue server. Started by the operator.
    Worker(Box<WorkerArgs>),
    /// Run the simulated beamline IOC.
    SimIoc(SimIocArgs),
    /// Write the custom resource definitions.
    Crds(CrdsArgs),
    /// Turn other descriptions of devices into manifests.
    Import(ImportArgs),
    /// Print what the pages of the book are made of.
    #[command(subcommand, hide = true)]
    Reference(Reference),
    /// Write what was made at run time as manifests: devices, PVs and device classes.
    Export(ExportArgs),
    /// Say what is wrong with manifests, without a beamline.
    Validate(ValidateArgs),
    /// Show whether every part answers, and what the queue server does.
    Status(StatusArgs),
    /// Show the devices.
    Devices(DevicesArgs),
    /// Open or close the worker environment.
    #[command(subcommand, visible_alias = "environment")]
    Env(EnvironmentCommand),
    /// Show the plans that may be queued, and what they take.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Pause, resume, stop, abort or halt the running plan.
    #[command(subcommand)]
    Re(EngineCommand),
    /// Show finished items.
    History(HistoryArgs),
    /// Read a device or a PV through direct control.
    Get(GetArgs),
    /// Set a device or a PV through direct control.
    Set(SetArgs),
    /// Stop devices, whoever has locked them.
    Stop(StopArgs),
    /// Explain why a device or a PV is reachable or not, as direct control sees it.
    Doctor(DoctorArgs),
    /// Print every change of devices and PVs until Ctrl-C.
    Monitor(MonitorArgs),
}

/// What the pages of the book are made of.
#[derive(Debug, Subcommand)]
pub(crate) enum Reference {
    /// Every metric, as JSON.
    Metrics,
}

/// The queue server, or one request to it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct QueueArgs {
    /// A request to a running server.
    #[command(subcommand)]
    pub(crate) command: Option<QueueCommand>,
    #[command(flatten)]
    pub(crate) server: QueueServerArgs,
}

/// The whole command, with the defaults that a beamline of one machine has instead of a pod's.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommand("up", |up| {
        up.mut_arg("control_host", |arg| arg.default_value("127.0.0.1"))
            .mut_arg("oas_host", |arg| arg.default_value("127.0.0.1"))
            .mut_arg("global_read_only", |arg| arg.default_value("false"))
            // Workers are children of this process, and there is no other to go on under.
            .mut_arg("orphan_grace_s", |arg| arg.default_value("0"))
    })
}

/// Commands that run a part of a beamline: nothing for a plugin to show.
const SERVERS: [&str; 6] = ["up", "registry", "control", "operator", "worker", "sim-ioc"];

/// The command as `kubectl beamline`: the same, without what runs servers.
pub(crate) fn plugin_command() -> clap::Command {
    let mut command = command().bin_name("kubectl beamline");
    for server in SERVERS {
        command = command.mut_subcommand(server, |server| server.hide(true));
    }
    command.mut_subcommand("queue", |queue| {
        queue
            .about("Talk to the queue server: `queue add`, `queue start`, …")
            .subcommand_required(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        plugin_command().debug_assert();
    }

    #[test]
    fn the_plugin_talks_to_queue_servers_and_runs_none() {
        let words = ["kubectl-beamline", "queue", "list", "-n", "bl01", "--beamline", "bl01"];
        assert!(plugin_command().try_get_matches_from(words).is_ok());
        let error = plugin_command().try_get_matches_from(&words[..2]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let help = plugin_command().render_help().to_string();
        assert!(help.contains("Usage: kubectl beamline "), "{help}");
        assert!(help.contains("  monitor ") && !help.contains("  sim-ioc "), "{help}");
    }

    #[test]
    fn only_what_serves_logs_by_itself() {
        let log = |words: &[&str]| {
            let matches = command().get_matches_from([&["beamline"], words].concat());
            Cli::from_arg_matches(&matches).unwrap().log()
        };
        assert_eq!(log(&["queue"]), DEFAULT_LOG);
        assert_eq!(log(&["queue", "list"]), CLIENT_LOG);
        assert_eq!(log(&["queue", "list", "--log", "debug"]), "debug");
        assert_eq!(log(&["registry"]), DEFAULT_LOG);
        let errors = log(&["registry", "--registry-log-level", "CRITICAL"]);
        assert!(errors.starts_with("error,"), "{errors}");
    }

    #[test]
    fn an_address_and_a_namespace_at_once_are_refused() {
        let words = ["beamline", "get", "X", "--url", "http://h:1", "-n", "bl01"];
        assert_eq!(command().try_get_matches_from(words).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn up_listens_on_loopback_and_lets_writes_through() {
        let matches = command().get_matches_from(["beamline", "up"]);
        let Command::Up(up) = Cli::from_arg_matches(&matches).unwrap().command else {
            panic!("not up");
        };
        assert_eq!(up.control.host, "127.0.0.1");
        assert_eq!(up.control.oas.host, "127.0.0.1");
        assert_eq!(up.registry.host, "127.0.0.1");
        assert!(up.queue.http.starts_with("127.0.0.1:"));
        assert!(!up.control.global_read_only);
    }

    #[test]
    fn control_by_itself_is_read_only() {
        let matches = command().get_matches_from(["beamline", "control"]);
        let Command::Control(args) = Cli::from_arg_matches(&matches).unwrap().command else {
            panic!("not control");
        };
        assert!(args.settings.global_read_only);
    }
}
