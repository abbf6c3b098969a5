//! Commands that only read and write files: `crds` and `import`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use crds::import::Format;

/// Write the custom resource definitions.
#[derive(Debug, Args)]
pub(crate) struct CrdsArgs {
    /// Folder to write one file per kind into; everything goes to standard output without it.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// Turn other descriptions of devices into manifests.
///
/// All entries, or none: one that cannot be imported is named with what is wrong. Names are derived
/// from the devices' names, so importing and applying twice changes nothing.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What the file is: `happi` (a database in JSON), `bits` (the `devices.yml` of BITS and
    /// guarneri), `queueserver` (an `existing_plans_and_devices.yaml`), `dbl` (what `dbl` prints in
    /// the shell of an IOC), or `auto`: what it looks like.
    #[arg(value_parser = format)]
    format: ImportFormat,
    /// The file; `-` is standard input.
    file: PathBuf,
    /// File to write the manifests into; standard output without it.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Import what can be imported, and fail only then.
    #[arg(long)]
    keep_going: bool,
}

/// A format, or none: then the text tells.
#[derive(Clone, Copy, Debug)]
struct ImportFormat(Option<Format>);

fn format(text: &str) -> Result<ImportFormat, String> {
    if text == "auto" {
        return Ok(ImportFormat(None));
    }
    let format = text.parse().map_err(|error| format!("{error}, auto"))?;
    Ok(ImportFormat(Some(format)))
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
    let what = if is_standard_input(&args.file) {
        "standard input".to_owned()
    } else {
        args.file.display().to_string()
    };
    let text = read(&args.file).with_context(|| format!("cannot read {what}"))?;
    let not_imported = || format!("cannot import {what}");
    let mut imported = crds::import::read(&text, args.format.0).with_context(not_imported)?;
    if !args.keep_going {
        imported = imported.complete().with_context(not_imported)?;
    }
    put(args.output.as_deref(), &imported.manifests()?)?;
    match imported.incomplete() {
        Some(error) => Err(error).with_context(|| format!("imported only a part of {what}")),
        None => Ok(()),
    }
}

fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

fn read(file: &Path) -> std::io::Result<String> {
    if is_standard_input(file) {
        return std::io::read_to_string(std::io::stdin());
    }
    fs::read_to_string(file)
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
