//! Whether the executable runs as `kubectl beamline`: kubectl starts `kubectl-beamline` for that.

use std::ffi::OsStr;
use std::path::Path;

/// What the executable is called as a plugin.
const NAME: &str = "kubectl-beamline";

/// Whether this process was started as the plugin.
pub(crate) fn is_running() -> bool {
    std::env::args_os().next().is_some_and(|program| is_plugin(&program))
}

/// `kubectl-beamline`, also with a folder before it or an ending such as `_linux-amd64` behind it.
fn is_plugin(program: &OsStr) -> bool {
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.strip_prefix(NAME).is_some_and(|ending| !ending.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_says_whether_it_is_the_plugin() {
        for name in
            ["kubectl-beamline", "/opt/bin/kubectl-beamline", "kubectl-beamline_linux-arm64"]
        {
            assert!(is_plugin(OsStr::new(name)), "{name}");
        }
        for name in ["beamline", "/kubectl-beamline/beamline", "kubectl-beamlines", ""] {
            assert!(!is_plugin(OsStr::new(name)), "{name}");
        }
    }
}
