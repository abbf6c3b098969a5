//! The words of a command line, with what its configuration file says where they say nothing themselves.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};

use super::configuration::{self, Said};
use super::options::ManagerArgs;

/// Options that name the code of the profile: one of them on the command line counts instead of all in the file.
const PLACES: [&str; 5] =
    ["startup-dir", "startup-module", "startup-script", "startup-profile", "ipython-dir"];
/// Options of which one counts: how much is said.
const VERBOSITY: [&str; 3] = ["verbose", "quiet", "silent"];

/// What has to follow the words that `matches` are of, so that the configuration file counts too, before variables and defaults.
///
/// `command` has the options of the queue server.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn completed(
    command: &mut Command,
    matches: &ArgMatches,
) -> Result<Vec<OsString>, clap::Error> {
    let args = ManagerArgs::from_arg_matches(matches)?;
    let mut said: Vec<_> =
        args.renamed().into_iter().map(|(_, option, value)| renamed(option, value)).collect();
    if let Some(path) = args.configuration() {
        let found = configuration::read(&path)
            .map_err(|error| command.error(ErrorKind::ValueValidation, error))?;
        said.extend(found);
    }
    let is_given = |option: &str| {
        let argument = command.get_arguments().find(|one| one.get_long() == Some(option));
        let source = argument.and_then(|one| matches.value_source(one.get_id().as_str()));
        source == Some(ValueSource::CommandLine)
    };
    let counts_otherwise = |option: &str| {
        [&PLACES[..], &VERBOSITY[..]]
            .into_iter()
            .any(|group| group.contains(&option) && group.iter().any(|other| is_given(other)))
    };
    let mut words = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for Said { option, values } in &said {
        if known.contains(option) || is_given(option) || counts_otherwise(option) {
            continue;
        }
        known.push(option);
        // One word: a value may begin with a dash.
        let value =
            if values.is_empty() { String::new() } else { format!("={}", values.join(":")) };
        words.push(format!("--{option}{value}").into());
    }
    Ok(words)
}

/// An option under its name of today.
fn renamed(option: &'static str, value: &str) -> Said {
    Said { option, values: vec![value.to_owned()] }
}
