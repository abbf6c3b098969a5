//! Plans from an uploaded spreadsheet (contract queue-server §4.7): a row is a plan, with its name, its positional arguments and, below
//! their names, its keyword arguments. Cells are read as Python literals and never evaluated.

mod table;

use serde_json::{Map, Value, json};
use thiserror::Error;

use self::table::{Cell, Table};
use crate::plans::expression::Expression;
use crate::python;

/// Why a file gives no plans. The texts are those of the Python server where it has one.
#[derive(Debug, Error)]
pub enum SpreadsheetError {
    /// The name says another kind of file.
    #[error(
        "File '{name}' (extension '{extension}') is not supported: supported extensions '('.xlsx', '.xls', '.csv')'"
    )]
    Unsupported {
        /// Name of the file.
        name: String,
        /// With its dot.
        extension: String,
    },
    /// The content is not what the name says.
    #[error("File '{name}' can not be read: {reason}")]
    Unreadable {
        /// Name of the file.
        name: String,
        /// What the reader found.
        reason: String,
    },
    /// More cells than a list of plans has.
    #[error(
        "Spreadsheet is too large: the cell in row {row}, column {column} is beyond {} rows and {} columns",
        table::MOST_ROWS,
        table::MOST_COLUMNS
    )]
    TooLarge {
        /// From 1.
        row: usize,
        /// From 1.
        column: usize,
    },
    /// Not even a column for the names of plans.
    #[error("Spreadsheet is expected to have at least 1 column (plan name): 0 columns")]
    NoColumns,
    /// Two keyword arguments cannot be told apart.
    #[error("Some plan kwarg names are identical: {0}")]
    IdenticalNames(String),
    /// A row does not say which plan.
    #[error("Plan name '{name}' (row {row}: {cells}) {problem}")]
    Name {
        /// What stands in the place of the name.
        name: String,
        /// From 1, below the names of the columns.
        row: usize,
        /// The whole row.
        cells: String,
        /// What is wrong with the name.
        problem: String,
    },
    /// A cell is no Python literal.
    #[error("Error occurred while interpreting plan parameters in row {row} ({cells}): {reason}")]
    Parameters {
        /// From 1, below the names of the columns.
        row: usize,
        /// The whole row.
        cells: String,
        /// Which cell, and why.
        reason: String,
    },
}

/// The plans in the file, as items to submit; its name says how to read it.
///
/// # Errors
/// [`SpreadsheetError`]: no plan of a file is used unless all can be.
pub fn plans(name: &str, content: &[u8]) -> Result<Vec<Value>, SpreadsheetError> {
    let table = table::read(name, content)?;
    let Table { columns, rows } = &table;
    if columns.is_empty() {
        return Err(SpreadsheetError::NoColumns);
    }
    let names = columns.get(2..).unwrap_or_default();
    let mut folded: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
    folded.sort_unstable();
    if folded.windows(2).any(|pair| pair[0] == pair[1]) {
        let names = python::repr_strs(names.iter().map(String::as_str));
        return Err(SpreadsheetError::IdenticalNames(names));
    }
    let mut plans = Vec::new();
    for (index, cells) in rows.iter().enumerate() {
        plans.extend(plan(names, index + 1, cells)?);
    }
    Ok(plans)
}

/// The plan of a row, none where no name is.
fn plan(names: &[String], row: usize, cells: &[Cell]) -> Result<Option<Value>, SpreadsheetError> {
    let [name, rest @ ..] = cells else { return Ok(None) };
    if name.is_blank() {
        return Ok(None);
    }
    let name = plan_name(name).map_err(|(name, problem)| SpreadsheetError::Name {
        name,
        row,
        cells: shown(cells),
        problem,
    })?;
    let failed = |reason| SpreadsheetError::Parameters { row, cells: shown(cells), reason };
    let mut plan =
        Map::from_iter([("name".to_owned(), json!(name)), ("item_type".to_owned(), json!("plan"))]);
    if let [args, kwargs @ ..] = rest {
        let args = arguments(args).map_err(failed)?;
        let mut keywords = Map::new();
        for (name, cell) in names.iter().zip(kwargs) {
            let value = value(cell).map_err(|why| failed(format!("'{name}': {why}")))?;
            keywords.extend(value.map(|value| (name.clone(), value)));
        }
        if !args.is_empty() {
            plan.insert("args".to_owned(), Value::Array(args));
        }
        if !keywords.is_empty() {
            plan.insert("kwargs".to_owned(), Value::Object(keywords));
        }
    }
    Ok(Some(Value::Object(plan)))
}

/// The name, in quotes or not; else what stands there and what is wrong with it.
fn plan_name(cell: &Cell) -> Result<String, (String, String)> {
    let value = match cell {
        Cell::Text(text) => literal(text).unwrap_or_else(|| json!(text)),
        other => value(other).ok().flatten().unwrap_or_default(),
    };
    let Value::String(name) = value else {
        let problem = format!(
            "has incorrect type ('{}'): only 'str' type is supported)",
            python::type_of(&value)
        );
        return Err((python::str(&value), problem));
    };
    let is_letter = |c: char| c == '_' || c.is_alphabetic();
    let is_identifier =
        name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_alphanumeric());
    if is_identifier { Ok(name) } else { Err((name, "is not a valid plan name".to_owned())) }
}

/// Positional arguments: a list without its brackets.
fn arguments(cell: &Cell) -> Result<Vec<Value>, String> {
    match cell {
        Cell::Text(text) => match literal(&format!("[{text}]")).ok_or_else(|| strange(text))? {
            Value::Array(args) => Ok(args),
            other => Ok(vec![other]),
        },
        Cell::Number(number) => Ok(vec![json!(number)]),
        other => Ok(value(other)?.into_iter().collect()),
    }
}

/// The value of a keyword argument, none in an empty cell.
fn value(cell: &Cell) -> Result<Option<Value>, String> {
    Ok(match cell {
        Cell::Empty => None,
        Cell::Text(text) => Some(literal(text).ok_or_else(|| strange(text))?),
        Cell::Truth(truth) => Some(json!(truth)),
        Cell::Integer(integer) => Some(json!(integer)),
        // A spreadsheet has no integers: what could be one is one.
        Cell::Number(number) => Some(match table::whole(*number) {
            Some(integer) => json!(integer),
            None => json!(number),
        }),
    })
}

/// What a Python program would have written so.
fn literal(text: &str) -> Option<Value> {
    Expression::parse(text).ok()?.literal()
}

fn strange(text: &str) -> String {
    format!(
        "'{text}' is not a Python literal: numbers, quoted texts, True, False, None, and lists and dictionaries of them"
    )
}

/// A row as Python prints a tuple.
fn shown(cells: &[Cell]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Empty => "nan".to_owned(),
            Cell::Text(text) => python::repr_str(text),
            Cell::Truth(truth) => python::repr(&json!(truth)),
            Cell::Integer(integer) => integer.to_string(),
            Cell::Number(number) => python::repr_float(*number),
        })
        .collect();
    match &cells[..] {
        [only] => format!("({only},)"),
        _ => format!("({})", cells.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Vec<Value>, String> {
        plans("plans.csv", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_row_is_a_plan_and_empty_cells_are_absent() {
        let text = "\
plan_name,args,num,delay,detectors
'count',\"['det1', 'det2']\",10,,
count,['det1'],,0.5,
'count',,,0.5,['det1']
,'nothing',1,2,3
'scan',\"['det1', 'det2'], 'motor', -1, 1\",10,,
'scan',\"['det1'], 'motor', -1, 1e0, 10\",,,\n";
        let expected = json!([
            {"name": "count", "item_type": "plan", "args": [["det1", "det2"]], "kwargs": {"num": 10}},
            {"name": "count", "item_type": "plan", "args": [["det1"]], "kwargs": {"delay": 0.5}},
            {"name": "count", "item_type": "plan", "kwargs": {"delay": 0.5, "detectors": ["det1"]}},
            {"name": "scan", "item_type": "plan", "args": [["det1", "det2"], "motor", -1, 1], "kwargs": {"num": 10}},
            {"name": "scan", "item_type": "plan", "args": [["det1"], "motor", -1, 1.0, 10]},
        ]);
        assert_eq!(csv(text), Ok(expected.as_array().unwrap().clone()));
    }

    #[test]
    fn numbers_are_those_of_the_column() {
        let args = |text: &str| csv(text).unwrap()[0]["args"].clone();
        assert_eq!(args("n,a\np,1\np,2\n"), json!([1]));
        assert_eq!(args("n,a\np,1\np,\n"), json!([1.0]));
        assert_eq!(args("n,a\np,1\np,'x'\n"), json!([1]));
        let kwargs = |text: &str| csv(text).unwrap()[0]["kwargs"].clone();
        assert_eq!(kwargs("n,a,k\np,,1.0\n"), json!({"k": 1}));
        assert_eq!(kwargs("n,a,k\np,,1.0\np,,'x'\n"), json!({"k": 1.0}));
        assert_eq!(kwargs("n,a,k\np,,TRUE\n"), json!({"k": true}));
        assert_eq!(
            kwargs("n,a,k\np,,12345678901234567890\n"),
            json!({"k": 12345678901234567890u64})
        );
    }

    #[test]
    fn what_cannot_be_a_plan_is_refused_by_its_row() {
        for (text, message) in [
            ("", "Spreadsheet is expected to have at least 1 column (plan name): 0 columns"),
            ("n,a,k,K\np,,1,2\n", "Some plan kwarg names are identical: ['k', 'K']"),
            ("n\nx y\n", "Plan name 'x y' (row 1: ('x y',)) is not a valid plan name"),
            (
                "n,a\nok,1\n10,2\n",
                "Plan name '10' (row 2: ('10', 2)) has incorrect type ('<class 'int'>'): only 'str' type is supported)",
            ),
            (
                "n,a\np,motor\n",
                "Error occurred while interpreting plan parameters in row 1 (('p', 'motor')): 'motor' is not a Python literal: numbers, quoted texts, True, False, None, and lists and dictionaries of them",
            ),
        ] {
            assert_eq!(csv(text).unwrap_err(), message);
        }
        let error = csv("n,a,k\np,,__import__('os').abort()\n").unwrap_err();
        assert!(
            error.contains("'k': '__import__('os').abort()' is not a Python literal"),
            "{error}"
        );
        let other = plans("a.txt", b"").unwrap_err().to_string();
        assert_eq!(
            other,
            "File 'a.txt' (extension '.txt') is not supported: supported extensions '('.xlsx', '.xls', '.csv')'"
        );
    }
}
