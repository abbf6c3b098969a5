//! Manifests from files: one document after the other, or read and checked as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use kube::api::DynamicObject;
use serde_json::Value;

/// One object of a manifest file.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// File that it stands in; absent for what the executable ships.
    pub(crate) file: Option<PathBuf>,
    /// The object.
    pub(crate) object: DynamicObject,
}

/// Every object of `paths`, files and folders alike, in the order of their names.
///
/// # Errors
/// One line that names the file that cannot be read or understood.
pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for path in paths {
        for file in files(path)? {
            read(&file, &mut manifests)?;
        }
    }
    Ok(manifests)
}

/// One YAML document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// File that it stands in.
    pub(crate) file: PathBuf,
    /// Its place in the file, from 1.
    pub(crate) number: usize,
    /// What it says.
    pub(crate) content: Value,
}

/// The files that `path` stands for: itself, or the `.yaml` files of the folder, by name.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
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

/// The documents of a file; those without content are left out.
///
/// # Errors
/// When it cannot be read, or is no YAML.
pub(crate) fn documents(file: &Path) -> anyhow::Result<Vec<Document>> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the manifest {}", file.display()))?;
    parse(file, &text)
}

/// The documents of `text`, which stands in `file`.
///
/// # Errors
/// When it is no YAML.
pub(crate) fn parse(file: &Path, text: &str) -> anyhow::Result<Vec<Document>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        // One line: the place is in it, the excerpt is not.
        .map_err(|error| anyhow!("{}", error.without_snippet()))
        .with_context(|| format!("cannot understand the manifest {}", file.display()))?;
    let numbered = documents.into_iter().enumerate();
    let filled = numbered.filter(|(_, content)| !content.is_null());
    Ok(filled
        .map(|(place, content)| Document { file: file.to_owned(), number: place + 1, content })
        .collect())
}

fn read(file: &Path, manifests: &mut Vec<Manifest>) -> anyhow::Result<()> {
    for Document { file, number, content } in documents(file)? {
        let place =
            || format!("cannot understand the manifest {}, document {number}", file.display());
        let object: DynamicObject = serde_json::from_value(content).with_context(place)?;
        if object.types.is_none() || object.metadata.name.is_none() {
            bail!("{}: apiVersion, kind and metadata.name are required", place());
        }
        manifests.push(Manifest { file: Some(file.clone()), object });
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
