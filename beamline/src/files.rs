//! Commands that only read and write files: `crds` and `import`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

/// Write the custom resource definitions.
#[derive(Debug, Args)]
pub(crate) struct CrdsArgs {
    /// Folder to write one file per kind into; everything goes to standard output without it.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Turn other descriptions of devices into manifests.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    from: ImportFrom,
}

#[derive(Debug, Subcommand)]
enum ImportFrom {
    /// A happi database in JSON.
    Happi {
        /// The database, such as `happi_db.json`.
        file: PathBuf,
        /// File to write the manifests into; standard output without it.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

pub(crate) fn crds(args: &CrdsArgs) -> anyhow::Result<()> {
    let documents = crds::yaml::documents()?;
    let Some(folder) = &args.output else {
        let all: Vec<String> = documents.into_iter().map(|document| document.text).collect();
        return print(&all.join("---\n"));
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for document in documents {
        write(&folder.join(&document.file_name), &document.text)?;
    }
    Ok(())
}

pub(crate) fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let ImportFrom::Happi { file, output } = &args.from;
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifests = crds::happi::manifests(&text)
        .with_context(|| format!("cannot import {}", file.display()))?;
    put(output.as_deref(), &manifests)
}

/// Writes `text` into a file, or to standard output.
pub(crate) fn put(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match file {
        Some(path) => write(path, text),
        None => print(text),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
