//! How answers look: aligned columns for people, JSON for programs.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::Value;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// How to print the answer.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Output {
    /// How the answer looks
    #[arg(long = "output", short = 'o', value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

impl Output {
    /// Prints `answer` as JSON if that was asked for; else what `summary` makes of it.
    ///
    /// # Errors
    /// When nobody reads it.
    pub(crate) fn show(
        self,
        answer: &Value,
        summary: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Json => say(&format!("{answer:#}")),
            Format::Table => say(&summary(answer)),
        }
    }
}

/// Prints a text and ends its line.
///
/// # Errors
/// When nobody reads it.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Rows under a heading, in columns that are as wide as they must be.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    all().map(|row| aligned(row, &widths)).collect::<Vec<_>>().join("\n")
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
}

/// A value without the quotes of a text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_blanks_at_their_end() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned(), String::new()];
        let text = table(["NAME", "VALUE", "NOTE"], &[row("motor", "3.5"), row("é", "-1")]);
        assert_eq!(text, "NAME    VALUE   NOTE\nmotor   3.5\né       -1");
    }
}
