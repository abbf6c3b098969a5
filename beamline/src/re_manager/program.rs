//! The executable under the name `start-re-manager`: a queue server by itself, with the defaults of the RE manager.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use super::words::completed;
use crate::cli::LogArgs;
use crate::parts::QueueServerArgs;

/// Stands for the folder of the state until the configuration was read, which may name it.
const UNNAMED: &str = "--state=.";

/// A queue server that plans of bluesky are sent to, under the name of the RE manager of bluesky-queueserver.
///
/// It keeps the queue in a folder, not in Redis, and serves HTTP by itself.
#[derive(Debug, Parser)]
#[command(name = "start-re-manager", version)]
pub(crate) struct Program {
    #[command(flatten)]
    pub(crate) server: QueueServerArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl Program {
    /// What those words ask for; the first is the name of the program.
    ///
    /// # Errors
    /// For the person at the terminal, with their exit code; help and version too.
    pub(crate) fn read(mut words: Vec<OsString>) -> Result<Self, clap::Error> {
        let mut command = command();
        let is_named = words.iter().any(|word| {
            let word = word.to_string_lossy();
            word == "--state" || word.starts_with("--state=")
        });
        if !is_named {
            words.push(UNNAMED.into());
        }
        let matches = command.clone().try_get_matches_from(&words)?;
        words.extend(completed(&mut command, &matches)?);
        let matches = command.clone().try_get_matches_from(&words)?;
        let mut program = Self::from_arg_matches(&matches)?;
        if !is_named {
            let folder = folder(&program.server.manager.redis_name_prefix, |name| {
                std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
            });
            let folder = folder.map_err(|why| command.error(ErrorKind::ValueValidation, why))?;
            program.server.alone.state = Some(folder);
        }
        Ok(program)
    }
}

/// The command, with the defaults of the RE manager.
pub(crate) fn command() -> clap::Command {
    Program::command()
        .mut_arg("zmq_control", |arg| arg.default_value("tcp://*:60615"))
        .mut_arg("zmq_info", |arg| arg.default_value("tcp://*:60625"))
        .mut_arg("zmq_publish_console", |arg| arg.default_value("OFF"))
        .mut_arg("console_output", |arg| arg.default_value("ON"))
        .mut_arg("engine", |arg| arg.default_value("bluesky"))
        .mut_arg("api_server", |arg| arg.hide(true))
        .mut_arg("namespace", |arg| arg.hide(true))
}

/// Where the state is unless somebody says so: `~/.local/state/beamline/NAME`.
fn folder(name: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, String> {
    let mut parts = Path::new(name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return Err(format!("--redis-name-prefix: '{name}' is no name of a folder"));
    }
    let home = || variable("HOME").map(|home| home.join(".local/state"));
    let states = variable("XDG_STATE_HOME").or_else(home);
    let states = states.ok_or("there is no home folder for the state: name one with --state")?;
    Ok(states.join("beamline").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Program, clap::Error> {
        Program::read([&["start-re-manager"], words].concat().into_iter().map(Into::into).collect())
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_option_of_start_re_manager_is_taken() {
        // `start-re-manager --help` of bluesky-queueserver 0.0.25.
        let options = "config zmq-control-addr zmq-addr zmq-encoding startup-profile startup-module startup-script startup-dir \
            ignore-invalid-plans existing-plans-devices update-existing-plans-devices user-group-permissions \
            user-group-permissions-reload redis-addr redis-name-prefix keep-re device-max-depth use-ipython-kernel ipython-dir \
            ipython-kernel-ip ipython-matplotlib ipython-connection-file ipython-connection-dir ipython-shell-port \
            ipython-iopub-port ipython-stdin-port ipython-hb-port ipython-control-port permitted-re-metadata-keys zmq-info-addr \
            zmq-publish-console-addr zmq-publish-console console-output verbose quiet silent";
        let help = crate::cli::command()
            .find_subcommand_mut("queue")
            .map(|queue| queue.render_long_help().to_string())
            .unwrap();
        for option in options.split_whitespace() {
            assert!(
                help.contains(&format!("--{option} ")) || help.contains(&format!("--{option}\n")),
                "{option}"
            );
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_re_manager() {
        let program = read(&["--state", "/tmp/q"]).unwrap();
        let settings = program.server.settings();
        assert_eq!(settings.zmq_control, "tcp://*:60615");
        assert!(!settings.zmq_publish);
        assert_eq!(settings.output.shown, queue_pod::console::Shown::Output);
        assert!(settings.output.least.is_some());
    }

    #[test]
    fn options_count_before_the_configuration_and_it_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yml");
        let text = "
network: {zmq_control_addr: 'tcp://*:1', zmq_info_addr: 'tcp://*:2', zmq_publish_console: true, redis_name_prefix: bl}
startup: {startup_dir: /opt/startup}
worker: {permitted_re_metadata_keys: [/a, /b]}
operation: {console_logging_level: SILENT, print_console_output: false}
";
        std::fs::write(&path, text).unwrap();
        let config = format!("--config={}", path.display());
        let words = [&config, "--state=/tmp/q", "--zmq-control-addr", "tcp://*:3", "--quiet"];
        let program = read(&words).unwrap();
        let settings = program.server.settings();
        assert_eq!((&*settings.zmq_control, &*settings.zmq_info), ("tcp://*:3", "tcp://*:2"));
        assert!(settings.zmq_publish);
        assert_eq!(settings.permitted_re_metadata_keys, ["/a", "/b"]);
        assert_eq!(settings.output.shown, queue_pod::console::Shown::Nowhere);
        assert_eq!(settings.output.least, Some(queue_pod::console::Level::Warning));
        // What is given where the code is counts instead of the other place.
        assert!(read(&[&config, "--state=/tmp/q", "--startup-module", "site.startup"]).is_ok());
        std::fs::write(&path, "network: {zmq_adr: x}").unwrap();
        let error = read(&[&config, "--state=/tmp/q"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("ValidationError while parsing configuration file"));
    }

    #[test]
    fn earlier_names_of_addresses_count_when_they_stand_alone() {
        let of = |words: &[&str]| read(words).unwrap().server.settings().zmq_control;
        assert_eq!(of(&["--state=/tmp/q", "--zmq-addr", "tcp://*:5"]), "tcp://*:5");
        let both = ["--state=/tmp/q", "--zmq-addr", "tcp://*:5", "--zmq-control-addr", "tcp://*:6"];
        assert_eq!(of(&both), "tcp://*:6");
    }

    #[test]
    fn a_kernel_is_asked_for_by_options_and_in_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yml");
        std::fs::write(&path, "worker: {use_ipython_kernel: true, ipython_hb_port: 60001}")
            .unwrap();
        let config = format!("--config={}", path.display());
        let of = |words: &[&str]| read(words).unwrap().server.manager.kernel().ok().flatten();
        let kernel = of(&[&config, "--state=/tmp/q", "--ipython-kernel-ip=auto"]).unwrap();
        assert_eq!((kernel.hb_port, kernel.ip.as_deref()), (Some(60_001), Some("auto")));
        assert_eq!(of(&[&config, "--state=/tmp/q", "--use-ipython-kernel=OFF"]), None);
    }

    #[test]
    fn the_state_is_kept_under_the_prefix_that_redis_would_have() {
        let variable = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/op"));
        let found = folder("qs_default", variable).unwrap();
        assert_eq!(found, Path::new("/home/op/.local/state/beamline/qs_default"));
        for wrong in ["..", "a/b", "", "/etc"] {
            assert!(folder(wrong, variable).is_err(), "{wrong}");
        }
        assert!(folder("qs", |_| None).is_err());
    }
}
