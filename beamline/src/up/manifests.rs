//! Manifests from files: read and checked as a whole before anything starts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use kube::api::DynamicObject;

/// One object of a manifest file.
#[derive(Debug)]
pub(super) struct Manifest {
    /// File that it stands in; absent for what the executable ships.
    pub(super) file: Option<PathBuf>,
    /// The object.
    pub(super) object: DynamicObject,
}

/// Every object of `paths`, files and folders alike, in the order of their names.
///
/// # Errors
/// One line that names the file that cannot be read or understood.
pub(super) fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for path in paths {
        for file in files(path)? {
            read(&file, &mut manifests)?;
        }
    }
    Ok(manifests)
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot_read = || format!("cannot read the manifests in {}", path.display());
    if !fs::metadata(path).with_context(cannot_read)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(cannot_read)? {
        let file = entry.with_context(cannot_read)?.path();
        if matches!(file.extension().and_then(|e| e.to_str()), Some("yaml" | "yml")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path, manifests: &mut Vec<Manifest>) -> anyhow::Result<()> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the manifest {}", file.display()))?;
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text)
        // One line: the place is in it, the excerpt is not.
        .map_err(|error| anyhow!("{}", error.without_snippet()))
        .with_context(|| format!("cannot understand the manifest {}", file.display()))?;
    for (number, document) in documents.into_iter().enumerate() {
        if document.is_null() {
            continue;
        }
        let place = || {
            format!("cannot understand the manifest {}, document {}", file.display(), number + 1)
        };
        let object: DynamicObject = serde_json::from_value(document).with_context(place)?;
        if object.types.is_none() || object.metadata.name.is_none() {
            bail!("{}: apiVersion, kind and metadata.name are required", place());
        }
        manifests.push(Manifest { file: Some(file.to_owned()), object });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_read_by_name_and_other_files_are_left_alone() {
        let object =
            |name| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
        let folder = folder(&[
            ("b.yaml", &object("two")),
            ("a.yaml", &format!("{}---\n{}", object("zero"), object("one"))),
            ("notes.txt", "not yaml: ["),
        ]);
        let names: Vec<_> = load(&[folder.path().to_owned()])
            .unwrap()
            .into_iter()
            .filter_map(|manifest| manifest.object.metadata.name)
            .collect();
        assert_eq!(names, ["zero", "one", "two"]);
    }

    #[test]
    fn an_unreadable_manifest_is_named() {
        for text in ["a: [", "just text", "kind: Device\n"] {
            let folder = folder(&[("broken.yaml", text)]);
            let error = format!("{:#}", load(&[folder.path().to_owned()]).unwrap_err());
            assert!(error.contains("broken.yaml") && error.lines().count() == 1, "{error}");
        }
        let missing = load(&[PathBuf::from("no/such/folder")]).unwrap_err();
        assert!(format!("{missing:#}").contains("no/such/folder"));
    }
}
