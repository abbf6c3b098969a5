//! What the terminal shows: a line per step, and at the end where everything is.

use std::fmt::Display;
use std::io::Write;

use super::ports::Urls;

/// A step that is done. Nothing depends on anybody reading it, so a closed terminal is no error.
pub(super) fn step(what: &str, detail: &dyn Display) {
    let _ = writeln!(std::io::stdout(), "  ✓ {what:<22} {detail}");
}

/// Where everything is, and what to try first.
pub(super) fn urls(urls: &Urls) {
    let _ = std::io::stdout().write_all(text(urls).as_bytes());
}

fn text(urls: &Urls) -> String {
    let ioc = match &urls.ioc {
        Some(port) => format!("\n  simulated IOC     Channel Access, {port}"),
        None => String::new(),
    };
    let oas = match &urls.oas {
        Some(url) => format!("\n  ophyd-websocket   {url}/docs"),
        None => String::new(),
    };
    format!(
        "\nThe beamline is up.\n
  registry          {registry}/docs
  direct control    {control}/docs{oas}
  queue server      {queue}/docs
  queue over 0MQ    {zmq_control}, console and status on {zmq_info}
  Kubernetes API    {api}{ioc}

Try:
  curl {control}/api/v1/pv/mini:current/value
  curl {registry}/api/v1/devices
  kubectl --server {api} get devices
  beamline env open && beamline queue add scan '[\"pinhole\"]' motor_ph -5 5 num=11 && beamline queue start

Ctrl-C stops everything; the state stays.\n\n",
        registry = urls.registry,
        control = urls.control,
        queue = urls.queue,
        zmq_control = urls.zmq_control,
        zmq_info = urls.zmq_info,
        api = urls.api,
    )
}
