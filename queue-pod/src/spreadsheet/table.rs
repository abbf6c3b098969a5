//! The cells of a file. A column of numbers is one of integers only when all of them are and none is missing, as with pandas.

use std::io::Cursor;
use std::path::Path;

use calamine::{Data, DataRef, Reader, Xls, Xlsx};

use super::SpreadsheetError;

/// Rows that are read at most, the names of the columns not counted.
pub(super) const MOST_ROWS: usize = 10_000;
/// Columns that are read at most.
pub(super) const MOST_COLUMNS: usize = 256;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Empty,
    Truth(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

/// The names in the first row, and what is below them.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Cell {
    /// Whether Python takes it for false.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Truth(truth) => !truth,
            Self::Integer(integer) => *integer == 0,
            Self::Number(number) => *number == 0.0,
            Self::Text(text) => text.is_empty(),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            // As far as a spreadsheet itself knows integers.
            Self::Integer(integer) => Some(*integer as f64),
            Self::Empty | Self::Truth(_) | Self::Text(_) => None,
        }
    }
}

/// The integer that a number is, if it is one.
pub(super) fn whole(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && number.abs() < 9e15;
    fits.then_some(number as i64)
}

/// Reads the first sheet.
pub(super) fn read(name: &str, content: &[u8]) -> Result<Table, SpreadsheetError> {
    let unreadable =
        |reason: String| SpreadsheetError::Unreadable { name: name.to_owned(), reason };
    let extension = Path::new(name).extension().and_then(|text| text.to_str()).unwrap_or_default();
    match extension {
        "xlsx" => Ok(shaped(xlsx(content, unreadable)?)),
        "xls" => Ok(shaped(xls(content, unreadable)?)),
        "csv" => csv(content, unreadable),
        "" => {
            Err(SpreadsheetError::Unsupported { name: name.to_owned(), extension: String::new() })
        }
        other => Err(SpreadsheetError::Unsupported {
            name: name.to_owned(),
            extension: format!(".{other}"),
        }),
    }
}

/// Every cell by its row and column.
type Sparse = Vec<(usize, usize, Cell)>;

fn xlsx(
    content: &[u8],
    unreadable: impl Fn(String) -> SpreadsheetError,
) -> Result<Sparse, SpreadsheetError> {
    let failed = |error: calamine::XlsxError| unreadable(error.to_string());
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(content)).map_err(failed)?;
    let Some(sheet) = book.sheet_names().first().cloned() else { return Ok(Vec::new()) };
    // Cell by cell: a sheet with one cell in its last corner is small as a file and enormous as a table.
    let mut reader = book.worksheet_cells_reader(&sheet).map_err(failed)?;
    let mut cells = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(failed)? {
        let value = match cell.get_value() {
            DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
            other => read_cell(&Data::from(other.clone())),
        };
        cells.extend(placed(cell.get_position(), value)?);
    }
    Ok(cells)
}

fn xls(
    content: &[u8],
    unreadable: impl Fn(String) -> SpreadsheetError,
) -> Result<Sparse, SpreadsheetError> {
    let failed = |error: calamine::XlsError| unreadable(error.to_string());
    let mut book: Xls<_> = Xls::new(Cursor::new(content)).map_err(failed)?;
    let Some(sheet) = book.worksheet_range_at(0) else { return Ok(Vec::new()) };
    let sheet = sheet.map_err(failed)?;
    let (top, left) = sheet.start().unwrap_or_default();
    let mut cells = Vec::new();
    for (row, column, data) in sheet.used_cells() {
        let place = |index: usize, first: u32| {
            u32::try_from(index).unwrap_or(u32::MAX).saturating_add(first)
        };
        cells.extend(placed((place(row, top), place(column, left)), read_cell(data))?);
    }
    Ok(cells)
}

fn placed(
    (row, column): (u32, u32),
    cell: Cell,
) -> Result<Option<(usize, usize, Cell)>, SpreadsheetError> {
    let (row, column) = (row as usize, column as usize);
    match cell {
        Cell::Empty => Ok(None),
        _ if row > MOST_ROWS || column >= MOST_COLUMNS => {
            Err(SpreadsheetError::TooLarge { row: row + 1, column: column + 1 })
        }
        cell => Ok(Some((row, column, cell))),
    }
}

fn read_cell(data: &Data) -> Cell {
    match data {
        Data::Empty => Cell::Empty,
        Data::String(text) if text.is_empty() => Cell::Empty,
        Data::String(text) => Cell::Text(text.clone()),
        Data::Bool(truth) => Cell::Truth(*truth),
        Data::Int(integer) => Cell::Integer(*integer),
        Data::Float(number) => whole(*number).map_or(Cell::Number(*number), Cell::Integer),
        // Dates and errors are no arguments of plans: as texts they are refused by what they say.
        other => Cell::Text(other.to_string()),
    }
}

fn shaped(cells: Sparse) -> Table {
    let height = cells.iter().map(|(row, _, _)| *row).max().unwrap_or_default();
    let width = cells.iter().map(|(_, column, _)| column + 1).max().unwrap_or_default();
    let mut columns: Vec<String> = (0..width).map(unnamed).collect();
    let mut rows = vec![vec![Cell::Empty; width]; height];
    for (row, column, cell) in cells {
        match row.checked_sub(1) {
            Some(row) => rows[row][column] = cell,
            None => {
                columns[column] = match cell {
                    Cell::Text(text) => text,
                    Cell::Integer(integer) => integer.to_string(),
                    Cell::Number(number) => number.to_string(),
                    Cell::Truth(_) | Cell::Empty => unnamed(column),
                }
            }
        }
    }
    for column in 0..width {
        let is_empty = |row: &Vec<Cell>| row[column] == Cell::Empty;
        let numbers =
            rows.iter().filter(|row| !is_empty(row)).all(|row| row[column].number().is_some());
        let integers = rows.iter().all(|row| matches!(row[column], Cell::Integer(_)));
        if numbers && !integers {
            for row in &mut rows {
                if let Some(number) = row[column].number() {
                    row[column] = Cell::Number(number);
                }
            }
        }
    }
    Table { columns, rows }
}

fn unnamed(column: usize) -> String {
    format!("Unnamed: {column}")
}

fn csv(
    content: &[u8],
    unreadable: impl Fn(String) -> SpreadsheetError,
) -> Result<Table, SpreadsheetError> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content);
    let mut texts = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(|error| unreadable(error.to_string()))?;
        for (column, text) in record.iter().enumerate() {
            let cell = if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) };
            let place = |index| u32::try_from(index).unwrap_or(u32::MAX);
            texts.extend(placed((place(row), place(column)), cell)?);
        }
    }
    let width = texts.iter().map(|(_, column, _)| column + 1).max().unwrap_or_default();
    for column in 0..width {
        let below = || texts.iter().filter(move |(row, at, _)| *row > 0 && *at == column);
        let Some(read) = [number as fn(&str) -> Option<Cell>, truth].into_iter().find(|read| {
            below().all(|(_, _, cell)| matches!(cell, Cell::Text(text) if read(text).is_some()))
        }) else {
            continue;
        };
        for (row, at, cell) in &mut texts {
            if *row > 0
                && *at == column
                && let Cell::Text(text) = cell
            {
                *cell = read(text).unwrap_or(Cell::Empty);
            }
        }
    }
    Ok(shaped(texts))
}

fn number(text: &str) -> Option<Cell> {
    let text = text.trim();
    if let Ok(integer) = text.parse() {
        return Some(Cell::Integer(integer));
    }
    // Not `inf` and `nan`, which Rust reads too, and no integer that would lose digits.
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let is_integer = !text.contains(['.', 'e', 'E']);
    let number: f64 = text.parse().ok().filter(|_| text.chars().all(digits) && !is_integer)?;
    number.is_finite().then_some(Cell::Number(number))
}

fn truth(text: &str) -> Option<Cell> {
    match text {
        "True" | "TRUE" | "true" => Some(Cell::Truth(true)),
        "False" | "FALSE" | "false" => Some(Cell::Truth(false)),
        _ => None,
    }
}
