//! Paths as people write them, and as the parts of the queue server get them.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The same from the root, as text.
pub(super) fn absolute(path: Option<&Path>) -> anyhow::Result<Option<String>> {
    path.map(|path| text(&full(path)?)).transpose()
}

/// The path from the root, with the home folder for a `~` at its beginning, which a configuration file has nobody to replace in.
pub(super) fn full(path: &Path) -> anyhow::Result<PathBuf> {
    let path = match path.strip_prefix("~") {
        Ok(inner) => {
            let home = std::env::var_os("HOME").context("there is no home folder for '~'")?;
            PathBuf::from(home).join(inner)
        }
        Err(_) => path.to_owned(),
    };
    Ok(std::path::absolute(path)?)
}

/// The path as text.
pub(super) fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text.to_owned())
}
