//! `beamline validate`: manifests against everything that a beamline would say of them, without one.

mod judge;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::manifests::{self, Document};
use crate::remote::{Format, Output, say};
use judge::{Finding, Judge};

/// Which manifests.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Files, or folders of `.yaml` files; `-` reads standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Prints every finding. A manifest that would be refused, or never become ready, is an error.
pub(crate) fn run(args: &ValidateArgs) -> anyhow::Result<()> {
    let mut judge = Judge::new()?;
    let mut findings = Vec::new();
    for path in &args.paths {
        for read in read(path)? {
            match read {
                Ok(documents) => judge.take(documents),
                // The other files are judged all the same.
                Err((file, error)) => findings.push(Finding::unreadable(&file, &error)),
            }
        }
    }
    let verdict = judge.findings();
    findings.extend(verdict.findings);
    findings.sort();
    let errors = findings.iter().filter(|finding| finding.is_error).count();
    match args.output.format {
        Format::Json => say(&format!("{:#}", Value::Array(findings.iter().map(shown).collect())))?,
        Format::Table => {
            for finding in &findings {
                say(&finding.to_string())?;
            }
            if findings.is_empty() {
                say(&fine(verdict.judged, verdict.others))?;
            }
        }
    }
    if errors == 0 {
        return Ok(());
    }
    bail!("{errors} {} in {} objects", if errors == 1 { "error" } else { "errors" }, verdict.judged)
}

type Readings = Vec<Result<Vec<Document>, (PathBuf, anyhow::Error)>>;

fn read(path: &Path) -> anyhow::Result<Readings> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        let file = PathBuf::from("standard input");
        return Ok(vec![manifests::parse(&file, &text).map_err(|error| (file, error))]);
    }
    let files = manifests::files(path)?;
    Ok(files
        .into_iter()
        .map(|file| manifests::documents(&file).map_err(|error| (file, error)))
        .collect())
}

fn fine(judged: usize, others: usize) -> String {
    let objects = |count: usize| format!("{count} object{}", if count == 1 { "" } else { "s" });
    match others {
        0 => format!("{}: nothing is wrong", objects(judged)),
        _ => format!(
            "{}: nothing is wrong; {} of other kinds not looked at",
            objects(judged),
            objects(others)
        ),
    }
}

fn shown(finding: &Finding) -> Value {
    let Finding { file, document, object, field, message, is_error } = finding;
    json!({
        "file": file, "document": document, "object": object, "field": field,
        "level": if *is_error { "error" } else { "warning" }, "message": message,
    })
}
