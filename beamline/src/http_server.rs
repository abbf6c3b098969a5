//! The executable under the name `start-bluesky-httpserver`. The queue server serves HTTP itself, so there is no such program here: it says
//! how the queue server is to be started instead.
//!
//! It does not pass requests on either: whoever may connect here would reach a queue server that takes them for somebody on its own
//! machine.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use crate::remote::Usage;

/// Says how HTTP is served here: by the queue server, which `start-re-manager` or `beamline queue` starts.
#[derive(Debug, Parser)]
#[command(name = "start-bluesky-httpserver", version)]
struct HttpServerArgs {
    /// Host name or address at which HTTP is to be served.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Port at which HTTP is to be served.
    #[arg(long, default_value_t = 60610)]
    port: u16,
    /// Whether those without a key may read.
    #[arg(long)]
    public: bool,
    /// Configuration file of bluesky-httpserver, or a folder of them.
    #[arg(long = "config_path", env = "QSERVER_HTTP_SERVER_CONFIG", value_name = "PATH")]
    config_path: Option<PathBuf>,
}

/// Why nothing was started, for those words; the first is the name of the program.
///
/// # Errors
/// Always: what was asked for is done by another program.
pub(crate) fn run(words: Vec<OsString>) -> anyhow::Result<()> {
    let args = match HttpServerArgs::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    Err(Usage(instead(&args)).into())
}

/// What to do instead.
fn instead(args: &HttpServerArgs) -> String {
    let host = match args.host.as_str() {
        "localhost" => "127.0.0.1",
        host => host,
    };
    let mut command = format!("start-re-manager --queue-http {host}:{}", args.port);
    if let Some(path) = &args.config_path {
        command.push_str(&format!(" --queue-config {}", path.display()));
    }
    if args.public {
        command.push_str(" --queue-allow-anonymous true");
    }
    format!(
        "nothing was started: the queue server serves HTTP itself. Leave this program out, start the queue server with\n\n    \
         {command}\n\nbeside its other options, and set the variables QSERVER_HTTP_SERVER_* for it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> String {
        let words = [&["start-bluesky-httpserver"], words].concat();
        instead(&HttpServerArgs::try_parse_from(words).unwrap())
    }

    #[test]
    fn its_options_become_those_of_the_queue_server() {
        assert!(of(&[]).contains("    start-re-manager --queue-http 127.0.0.1:60610\n"));
        let said =
            of(&["--host", "0.0.0.0", "--port", "80", "--public", "--config_path", "/etc/h.yml"]);
        assert!(
            said.contains(
                "--queue-http 0.0.0.0:80 --queue-config /etc/h.yml --queue-allow-anonymous true\n"
            ),
            "{said}"
        );
    }
}
