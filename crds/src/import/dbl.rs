//! What `dbl` prints in the shell of an IOC: a record name on each line.
//!
//! `dbl "*" "recordType DESC"` adds the type of each record and what it is for. Only then it is
//! certain which records are motors: those become devices, all others PVs. Without types every
//! record is a PV that is only read.

use super::{Format, Imported};
use crate::DeviceSpec;
use crate::process_variable::{AccessMode, ProcessVariableSpec};

/// Class of a motor record.
const MOTOR: &str = "ophyd.EpicsMotor";
/// Types of records that exist to be written.
const OUTPUTS: [&str; 16] = [
    "ao",
    "bo",
    "longout",
    "int64out",
    "mbbo",
    "mbboDirect",
    "stringout",
    "lso",
    "aao",
    "busy",
    "calcout",
    "scalcout",
    "acalcout",
    "swait",
    "transform",
    "sseq",
];

/// One line: a record, its type and its description.
struct Record<'a> {
    name: &'a str,
    record_type: Option<&'a str>,
    description: Option<&'a str>,
}

pub(super) fn looks_like(text: &str) -> bool {
    let mut records = lines(text).peekable();
    // A name without any separator could be a line of anything.
    let is_pv = |record: &Record<'_>| {
        record.record_type.is_some()
            || record.name.contains([':', '{', '-', '_', '.']) && !record.name.ends_with(':')
    };
    records.peek().is_some() && records.all(|(_, line)| record(line).is_ok_and(|one| is_pv(&one)))
}

pub(super) fn read(text: &str) -> Imported {
    let mut imported = Imported::new(Format::Dbl);
    for (number, line) in lines(text) {
        let entry = format!("line {number}");
        match record(line) {
            Ok(Record { name, record_type: Some("motor"), description }) => {
                imported.device(&entry, Ok(motor(name, description)));
            }
            Ok(record) => imported.pv(&entry, pv(&record)),
            Err(problem) => imported.problem(&entry, problem),
        }
    }
    imported
}

/// The lines with something on them, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn record(line: &str) -> Result<Record<'_>, String> {
    let (name, mut rest) = line.split_once(", ").unwrap_or((line.trim_end_matches(','), ""));
    if name.contains(char::is_whitespace) {
        return Err(format!("'{line}' is not what dbl prints: a record name, then its fields"));
    }
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (value, after) = field(rest).ok_or_else(|| {
            format!("'{rest}' is not a list of fields in quotes as dbl prints them")
        })?;
        fields.push(Some(value).filter(|value| !value.is_empty()));
        rest = after;
    }
    let mut fields = fields.into_iter();
    let record_type = fields.next().flatten();
    if let Some(other) = record_type.filter(|one| !is_record_type(one)) {
        return Err(format!(
            "'{other}' is no type of a record: list them with dbl \"*\" \"recordType DESC\""
        ));
    }
    Ok(Record { name, record_type, description: fields.next().flatten() })
}

/// The first field and what follows it. dbl prints a value as it is, quotes and all, and nothing
/// for a field that the record does not have.
fn field(rest: &str) -> Option<(&str, &str)> {
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\", ").or_else(|| {
            let last = quoted.strip_suffix("\",").or_else(|| quoted.strip_suffix('"'))?;
            Some((last, ""))
        }),
        None if rest == "," => Some(("", "")),
        None => Some(("", rest.strip_prefix(", ")?)),
    }
}

fn is_record_type(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
}

fn motor(record: &str, description: Option<&str>) -> DeviceSpec {
    DeviceSpec {
        name: device_name(record),
        device_class: MOTOR.to_owned(),
        prefix: Some(record.to_owned()),
        active: true,
        documentation: description.map(str::to_owned),
        ..DeviceSpec::default()
    }
}

/// A Python name that tells the record's: `XF:23ID{Mtr:1}` becomes `xf_23id_mtr_1`.
fn device_name(record: &str) -> String {
    let mut name = String::new();
    for c in record.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_');
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("m_{name}")
    } else {
        name.to_owned()
    }
}

fn pv(record: &Record<'_>) -> ProcessVariableSpec {
    let is_output = record.record_type.is_some_and(|one| OUTPUTS.contains(&one));
    ProcessVariableSpec {
        pv_name: record.name.to_owned(),
        protocol: crate::process_variable::Protocol::Ca,
        access_mode: if is_output { AccessMode::ReadWrite } else { AccessMode::ReadOnly },
        description: record.description.map(str::to_owned),
        labels: Vec::new(),
    }
}
