//! The profile that `CONFIG_PROFILE_PATH` names: which file it is, and what it says (contract
//! §1.12).

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crds::import::{self, Imported, Problem};
use crds::{DeviceSpec, bits, happi};

use super::SeedError;
use crate::Settings;

const HAPPI_FILES: [&str; 3] = ["happi_db.json", "happi.json", "db.json"];
const BITS_FILES: [&str; 4] =
    ["configs/devices.yml", "configs/devices.yaml", "devices.yml", "devices.yaml"];
const ICONFIG_FILES: [&str; 4] =
    ["configs/iconfig.yml", "configs/iconfig.yaml", "iconfig.yml", "iconfig.yaml"];
/// Folders in which a profile collection keeps its startup scripts.
const SCRIPT_FOLDERS: [&str; 2] = ["startup", "."];
/// The three devices of the mock strategy.
const MOCK: &str = include_str!("mock.yaml");

/// What an empty registry begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// What the profile has: a happi database, else a BITS device list.
    Auto,
    /// Nothing.
    Empty,
    /// Three devices to try things with.
    Mock,
    /// The happi database of the profile.
    Happi,
    /// The BITS device list of the profile.
    Bits,
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "empty" => Ok(Self::Empty),
            "mock" => Ok(Self::Mock),
            "happi" => Ok(Self::Happi),
            "bits" => Ok(Self::Bits),
            other => Err(format!(
                "Unknown load strategy: {other}. Valid options: auto, empty, mock, happi, bits"
            )),
        }
    }
}

/// The devices of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// In words, for the log and for errors.
    pub(crate) source: &'static str,
    pub(crate) devices: Vec<DeviceSpec>,
}

fn strategy(settings: &Settings) -> Strategy {
    if settings.use_mock_data { Strategy::Mock } else { settings.load_strategy }
}

impl Profile {
    /// Whether there is anything to seed with.
    ///
    /// # Errors
    /// When a profile is asked for and none is named.
    pub(crate) fn is_wanted(settings: &Settings) -> Result<bool, SeedError> {
        match (strategy(settings), &settings.profile_path) {
            (Strategy::Mock, _) | (_, Some(_)) => Ok(strategy(settings) != Strategy::Empty),
            // Without a profile the manifests say which devices there are.
            (Strategy::Empty | Strategy::Auto, None) => Ok(false),
            (Strategy::Happi, None) => Err(no_profile("happi", Path::new("None"))),
            (Strategy::Bits, None) => Err(no_profile("bits", Path::new("None"))),
        }
    }

    /// What the settings name.
    ///
    /// # Errors
    /// When the profile is not there, or any entry of it is wrong.
    pub(crate) fn read(settings: &Settings) -> Result<Option<Self>, SeedError> {
        if !Self::is_wanted(settings)? {
            return Ok(None);
        }
        let folder = settings.profile_path.as_deref().unwrap_or_else(|| Path::new(""));
        let read = match strategy(settings) {
            Strategy::Empty => return Ok(None),
            Strategy::Mock => mock(),
            Strategy::Happi => happi(&existing(folder, "happi")?, &HAPPI_FILES),
            Strategy::Bits => bits(&existing(folder, "bits")?, &BITS_FILES),
            Strategy::Auto => {
                let folder = existing(folder, "auto")?;
                if find(&folder, &HAPPI_FILES).is_some() {
                    happi(&folder, &HAPPI_FILES)
                } else if find(&folder, &BITS_FILES).is_some() {
                    bits(&folder, &BITS_FILES)
                } else {
                    Err(undetected(&folder))
                }
            }
        };
        read.map(Some)
    }

    /// Fails when there are problems, in the words of the Python service.
    pub(super) fn refuse(&self, problems: &[(String, String)]) -> Result<(), SeedError> {
        let problems: Vec<Problem> = problems
            .iter()
            .map(|(entry, problem)| Problem { entry: entry.clone(), problem: problem.clone() })
            .collect();
        refuse(self.source, &problems, self.devices.len())
    }
}

fn refuse(source: &str, problems: &[Problem], total: usize) -> Result<(), SeedError> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(SeedError::Profile(format!(
        "Failed to load {} of {total} {source} entries; refusing to seed registry from partial \
         data. Errors: {}",
        problems.len(),
        import::shown(problems)
    )))
}

fn no_profile(strategy: &str, path: &Path) -> SeedError {
    SeedError::Profile(format!(
        "{strategy} loading strategy configured but profile path not found: {}",
        path.display()
    ))
}

fn existing(folder: &Path, strategy: &str) -> Result<PathBuf, SeedError> {
    if folder.is_dir() { Ok(folder.to_owned()) } else { Err(no_profile(strategy, folder)) }
}

fn find(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|file| file.is_file())
}

/// Neither format is there. Startup scripts are Python: only a worker can run them.
fn undetected(folder: &Path) -> SeedError {
    let has_scripts = SCRIPT_FOLDERS.iter().any(|scripts| {
        let files = fs::read_dir(folder.join(scripts)).into_iter().flatten().flatten();
        files.map(|file| file.path()).any(|file| file.extension().is_some_and(|one| one == "py"))
    });
    let why = if has_scripts {
        ". It has startup scripts, which the registry does not run: keep the devices in a \
         happi_db.json or a devices.yml beside them, or list them with qserver-list-plans-devices \
         and `beamline import queueserver`"
    } else {
        ". It has neither a happi_db.json nor a devices.yml"
    };
    SeedError::Profile(format!("Could not detect profile type for {}{why}", folder.display()))
}

fn text(file: &Path) -> Result<String, SeedError> {
    fs::read_to_string(file)
        .map_err(|error| SeedError::Profile(format!("cannot read {}: {error}", file.display())))
}

fn of(
    source: &'static str,
    file: &Path,
    imported: Result<Imported, import::Error>,
) -> Result<Profile, SeedError> {
    let imported =
        imported.map_err(|error| SeedError::Profile(format!("{}: {error}", file.display())))?;
    refuse(source, &imported.problems, imported.total())?;
    let devices = imported.devices.into_iter().map(|device| device.spec).collect();
    Ok(Profile { source, devices })
}

fn happi(folder: &Path, names: &[&str]) -> Result<Profile, SeedError> {
    let file = find(folder, names).ok_or_else(|| undetected(folder))?;
    let mut profile = of("happi", &file, happi::read(&text(&file)?))?;
    // As the Python service does: what is switched off in the database is not there.
    profile.devices.retain(|device| device.active);
    Ok(profile)
}

fn bits(folder: &Path, names: &[&str]) -> Result<Profile, SeedError> {
    let file = find(folder, names).ok_or_else(|| undetected(folder))?;
    let beamline = match find(folder, &ICONFIG_FILES) {
        None => None,
        Some(iconfig) => bits::beamline_id(&text(&iconfig)?)
            .map_err(|error| SeedError::Profile(format!("{}: {error}", iconfig.display())))?,
    };
    of("BITS", &file, bits::read(&text(&file)?, beamline.as_deref()))
}

fn mock() -> Result<Profile, SeedError> {
    let devices = serde_saphyr::from_multiple(MOCK)
        .map_err(|error| SeedError::Profile(format!("mock.yaml: {error}")))?;
    Ok(Profile { source: "mock", devices })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    fn settings(strategy: &str, folder: Option<&TempDir>) -> Settings {
        Settings {
            load_strategy: strategy.parse().unwrap(),
            profile_path: folder.map(|folder| folder.path().to_owned()),
            ..Settings::default()
        }
    }

    fn names(settings: &Settings) -> Vec<String> {
        let profile = Profile::read(settings).unwrap().unwrap();
        profile.devices.into_iter().map(|device| device.name).collect()
    }

    fn refusal(settings: &Settings) -> String {
        Profile::read(settings).unwrap_err().to_string()
    }

    const HAPPI: &str =
        r#"{"m": {"device_class": "a.B"}, "off": {"device_class": "a.B", "active": false}}"#;
    const BITS: &str = "a.B:\n- {name: b}\n";

    #[test]
    fn auto_takes_a_happi_database_before_a_bits_list() {
        let both = folder(&[("happi.json", HAPPI), ("configs/devices.yml", BITS)]);
        assert_eq!(names(&settings("auto", Some(&both))), ["m"], "what is off is not there");
        assert_eq!(names(&settings("bits", Some(&both))), ["b"]);
        let bits = folder(&[
            ("configs/devices.yml", BITS),
            ("configs/iconfig.yml", "RUN_ENGINE: {md: {beamline_id: 8id}}\n"),
        ]);
        let profile = Profile::read(&settings("auto", Some(&bits))).unwrap().unwrap();
        assert_eq!(profile.devices[0].beamline.as_deref(), Some("8id"));
    }

    #[test]
    fn the_mock_devices_are_three_with_fourteen_pvs() {
        let mock = Settings { use_mock_data: true, ..settings("empty", None) };
        let profile = Profile::read(&mock).unwrap().unwrap();
        assert_eq!(names(&mock), ["sample_x", "det1", "cam1"]);
        assert_eq!(profile.devices.iter().map(|device| device.pvs.len()).sum::<usize>(), 14);
    }

    #[test]
    fn without_a_profile_there_is_nothing_to_seed_with() {
        for strategy in ["auto", "empty"] {
            assert!(Profile::read(&settings(strategy, None)).unwrap().is_none());
        }
        let both = folder(&[("happi.json", HAPPI)]);
        assert!(Profile::read(&settings("empty", Some(&both))).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_loaded_is_refused_in_the_words_of_the_python_service() {
        let missing =
            Settings { profile_path: Some("/no/such/profile".into()), ..settings("auto", None) };
        assert_eq!(
            refusal(&missing),
            "auto loading strategy configured but profile path not found: /no/such/profile"
        );
        assert!(refusal(&settings("happi", None)).contains("profile path not found: None"));
        let bad = folder(&[("db.json", r#"{"a": {}, "b": {"device_class": "x.Y"}}"#)]);
        assert_eq!(
            refusal(&settings("auto", Some(&bad))),
            "Failed to load 1 of 2 happi entries; refusing to seed registry from partial data. \
             Errors: a: missing required 'device_class' field"
        );
        let empty = refusal(&settings("auto", Some(&folder(&[]))));
        assert!(empty.starts_with("Could not detect profile type for /"), "{empty}");
        let scripts = folder(&[("startup/00-start.py", "import ophyd")]);
        for strategy in ["auto", "happi", "bits"] {
            let refused = refusal(&settings(strategy, Some(&scripts)));
            assert!(
                refused.contains("startup scripts, which the registry does not run"),
                "{refused}"
            );
        }
        assert_eq!(
            "python".parse::<Strategy>().unwrap_err(),
            "Unknown load strategy: python. Valid options: auto, empty, mock, happi, bits"
        );
    }
}
