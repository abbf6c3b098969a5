//! Generated files that are checked in: they must be what the code gives.
//!
//! `UPDATE_GOLDEN=1 cargo test -p crds --test it golden` writes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crds::yaml::Document;

/// A folder of this repository.
pub(crate) fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
}

/// Compares `documents` with the YAML files in `folder`, or writes them when `UPDATE_GOLDEN` is
/// set.
pub(crate) fn assert_checked_in(folder: &Path, documents: &[Document]) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        for document in documents {
            std::fs::write(folder.join(&document.file_name), &document.text).unwrap();
        }
    }
    let wanted: BTreeSet<_> = documents.iter().map(|document| document.file_name.clone()).collect();
    let present: BTreeSet<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert_eq!(present, wanted, "files in {}", folder.display());
    for Document { file_name, text } in documents {
        let checked_in = std::fs::read_to_string(folder.join(file_name)).unwrap();
        assert!(checked_in == *text, "{file_name} is stale: run the test with UPDATE_GOLDEN=1");
    }
}

#[test]
fn the_definitions_in_the_chart_are_those_of_the_code() {
    let documents = crds::yaml::documents().unwrap();
    assert_checked_in(&repository("helm/beamline-crds/files"), &documents);
}

#[test]
fn words_that_yaml_1_1_takes_for_something_else_are_quoted() {
    for word in ["on", "off", "yes", "no", "y", "n", "null", "~", "1:30", "012", "1e3", "true"] {
        let text = crds::yaml::to_yaml("word", &serde_json::json!({ "a": word })).unwrap();
        assert!(text.contains(['"', '\'']), "{word} is written as {text}");
    }
}
