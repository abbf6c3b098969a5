//! What the executable is called: by some names it is another program.

use std::ffi::OsStr;
use std::path::Path;

/// What the executable is called as a plugin: kubectl starts that for `kubectl beamline`.
const PLUGIN: &str = "kubectl-beamline";

/// The program that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// `beamline`, or whatever else the file is called.
    Beamline,
    /// `kubectl beamline`.
    Plugin,
    /// `start-re-manager` of bluesky-queueserver.
    ReManager,
    /// `start-bluesky-httpserver` of bluesky-httpserver.
    HttpServer,
}

impl Called {
    /// This process.
    pub(crate) fn now() -> Self {
        std::env::args_os().next().map_or(Self::Beamline, |program| Self::by(&program))
    }

    /// By the first word of the command line: a name, also with a folder before it.
    fn by(program: &OsStr) -> Self {
        let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
        match name {
            "start-re-manager" => Self::ReManager,
            "start-bluesky-httpserver" => Self::HttpServer,
            name if is_plugin(name) => Self::Plugin,
            _ => Self::Beamline,
        }
    }
}

/// `kubectl-beamline`, also with an ending such as `_linux-amd64` behind it.
fn is_plugin(name: &str) -> bool {
    name.strip_prefix(PLUGIN).is_some_and(|ending| !ending.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_says_which_one_it_is() {
        for (name, called) in [
            ("kubectl-beamline", Called::Plugin),
            ("/opt/bin/kubectl-beamline", Called::Plugin),
            ("kubectl-beamline_linux-arm64", Called::Plugin),
            ("start-re-manager", Called::ReManager),
            ("/usr/local/bin/start-re-manager", Called::ReManager),
            ("start-bluesky-httpserver", Called::HttpServer),
            ("beamline", Called::Beamline),
            ("/kubectl-beamline/beamline", Called::Beamline),
            ("kubectl-beamlines", Called::Beamline),
            ("start-re-manager-2", Called::Beamline),
            ("", Called::Beamline),
        ] {
            assert_eq!(Called::by(OsStr::new(name)), called, "{name}");
        }
    }
}
