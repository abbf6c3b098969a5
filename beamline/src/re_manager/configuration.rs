//! The configuration file of `start-re-manager` (contract queue-server §2.15), as words of the command line.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keys::{Form, KEYS, option_of, words};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigurationError {
    /// There is nothing at the path.
    #[error("The config path '{}' doesn't exist.", .0.display())]
    Missing(PathBuf),
    /// The file or the folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something that is not known, or in another form.
    #[error("ValidationError while parsing configuration file {}: {why}", path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Two files of a folder have the same section.
    #[error(
        "'{section}' can only be specified in one file. It was found in both {} and {}",
        first.display(),
        second.display()
    )]
    Twice {
        /// Name of the section.
        section: String,
        /// The file that has it first.
        first: PathBuf,
        /// The file that has it too.
        second: PathBuf,
    },
}

/// An option as the configuration says it: its long name, and its values. A flag has none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) option: &'static str,
    pub(super) values: Vec<String>,
}

/// Reads a file, or every file of a folder but hidden ones and Python's, as the RE manager does.
///
/// # Errors
/// [`ConfigurationError`].
pub(super) fn read(path: &Path) -> Result<Vec<Said>, ConfigurationError> {
    let mut sections: Vec<(String, PathBuf)> = Vec::new();
    let mut all = Vec::new();
    for file in files(path)? {
        let text = std::fs::read_to_string(&file)
            .map_err(|source| ConfigurationError::Unreadable { path: file.clone(), source })?;
        let invalid = |why| ConfigurationError::Invalid { path: file.clone(), why };
        let document: Value = serde_saphyr::from_str(&text)
            // What is wrong with the text would be shown with the text, and there are keys in it.
            .map_err(|_| invalid("it is no YAML".to_owned()))?;
        let document = object(&document).map_err(invalid)?;
        for section in document.keys() {
            if let Some((_, first)) = sections.iter().find(|(name, _)| name == section) {
                let (section, first) = (section.clone(), first.clone());
                return Err(ConfigurationError::Twice { section, first, second: file });
            }
            sections.push((section.clone(), file.clone()));
        }
        all.extend(said(document, &|name| std::env::var(name).ok()).map_err(invalid)?);
    }
    Ok(all)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigurationError> {
    if !path.exists() {
        return Err(ConfigurationError::Missing(path.to_owned()));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| ConfigurationError::Unreadable { path: path.to_owned(), source };
    let entries = std::fs::read_dir(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>();
    let counts = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.ends_with(".py") && name != "__pycache__"
    };
    let mut files: Vec<_> =
        entries.map_err(unreadable)?.iter().map(std::fs::DirEntry::path).filter(counts).collect();
    files.sort();
    Ok(files)
}

/// The options that a document comes to.
///
/// # Errors
/// What is wrong with it, in the words of the RE manager.
fn said(
    document: &Map<String, Value>,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<Said>, String> {
    let mut all = Vec::new();
    for (section, entries) in document {
        if !KEYS.iter().any(|(known, ..)| known == section) {
            return Err(strange(section));
        }
        let entries = object(entries)?;
        for (name, value) in entries {
            let known = KEYS.iter().find(|key| (key.0, key.1) == (section, name));
            let (.., form, option) = known.ok_or_else(|| strange(name))?;
            let said = words(*form, value, variable).map_err(|why| format!("{name}: {why}"))?;
            all.extend(match (form, said) {
                (_, None) => None,
                (Form::Options(_), Some(words)) => {
                    let option = words.first().and_then(|word| option_of(*form, word));
                    option.map(|option| Said { option, values: Vec::new() })
                }
                (_, Some(values)) => Some(Said { option, values }),
            });
        }
        if section == "startup" {
            one_place(entries)?;
        }
    }
    Ok(all)
}

fn strange(name: &str) -> String {
    format!("Additional properties are not allowed ('{name}' was unexpected)")
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| "it is not of type 'object'".to_owned())
}

/// The code of the profile is in one place.
fn one_place(entries: &Map<String, Value>) -> Result<(), String> {
    let is_said = |name: &&&str| entries.contains_key(**name);
    let places = ["startup_dir", "startup_module", "startup_script"];
    let beside_folder = ["startup_profile", "ipython_dir"];
    let mut found: Vec<_> = places.iter().filter(is_said).collect();
    if found == [&"startup_dir"] {
        found.extend(beside_folder.iter().filter(is_said));
    }
    if found.len() < 2 {
        return Ok(());
    }
    let names: Vec<_> = found.into_iter().copied().collect();
    Err(format!(
        "Ambiguous location of startup code is specified in the config file: {}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Said>, String> {
        let document: Value = serde_saphyr::from_str(text).unwrap();
        said(object(&document).unwrap(), &|name| (name == "BL").then(|| "bl01".to_owned()))
    }

    fn option(option: &'static str, values: &[&str]) -> Said {
        Said { option, values: values.iter().map(|&value| value.to_owned()).collect() }
    }

    #[test]
    fn every_section_becomes_options() {
        let text = "
network: {zmq_control_addr: 'tcp://*:60617', zmq_publish_console: true}
worker: {permitted_re_metadata_keys: [/a/b, /c], ipython_hb_port: 60001}
startup: {keep_re: false, startup_dir: '/opt/${BL}/startup', device_max_depth: 2}
operation: {console_logging_level: QUIET, print_console_output: false, user_group_permissions_reload: NEVER}
";
        assert_eq!(
            of(text).unwrap(),
            [
                option("zmq-control-addr", &["tcp://*:60617"]),
                option("zmq-publish-console", &["ON"]),
                option("permitted-re-metadata-keys", &["/a/b", "/c"]),
                option("ipython-hb-port", &["60001"]),
                option("startup-dir", &["/opt/bl01/startup"]),
                option("device-max-depth", &["2"]),
                option("quiet", &[]),
                option("console-output", &["OFF"]),
                option("user-group-permissions-reload", &["NEVER"]),
            ]
        );
        assert_eq!(of("operation: {console_logging_level: NORMAL}").unwrap(), []);
        assert_eq!(of("startup: {keep_re: true}").unwrap(), [option("keep-re", &[])]);
    }

    #[test]
    fn what_is_not_known_is_refused_and_secrets_are_not_shown() {
        for (text, reason) in [
            ("run_engine: {}", "('run_engine' was unexpected)"),
            ("network: {zmq_adr: x}", "('zmq_adr' was unexpected)"),
            (
                "network: {zmq_private_key: 4711}",
                "zmq_private_key: the value is not of type 'string'",
            ),
            ("network: {zmq_publish_console: 'yes'}", "not of type 'boolean'"),
            ("worker: {ipython_hb_port: a}", "not of type 'integer'"),
            ("startup: 5", "not of type 'object'"),
            ("operation: {console_logging_level: LOUD}", "'LOUD' is not one of VERBOSE, NORMAL"),
            ("startup: {startup_dir: /a, startup_module: b}", "Ambiguous location of startup code"),
            ("startup: {startup_dir: /a, ipython_dir: b}", "startup_dir, ipython_dir"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("4711"), "{error}");
        }
        assert!(of("startup: {startup_profile: a, startup_script: b}").is_ok());
    }

    #[test]
    fn a_folder_is_read_file_by_file_and_a_section_stands_in_one_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        file("1.yml", "network: {zmq_encoding: msgpack}");
        file("2.yml", "startup: {device_max_depth: 1}");
        file(".hidden", "nonsense");
        file("plans.py", "nonsense");
        let said = read(folder.path()).unwrap();
        assert_eq!(
            said,
            [option("zmq-encoding", &["msgpack"]), option("device-max-depth", &["1"])]
        );
        file("3.yml", "network: {}");
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("'network' can only be specified in one file."), "{error}");
        let error = read(&folder.path().join("none.yml")).unwrap_err().to_string();
        assert!(error.ends_with("none.yml' doesn't exist."), "{error}");
    }
}
