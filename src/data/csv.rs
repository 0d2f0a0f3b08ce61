//! CSV of numbers: one sample a line, cells separated by commas, with or without a header line.

use super::{Content, Features};
use crate::{Error, Result};
use csv::{ByteRecord, ReaderBuilder, Trim};
use ndarray::Array2;
use std::{path::Path, str};

/// What Excel and others put in front of UTF-8 text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Characters of a bad cell that a message shows: an unclosed quote makes a cell of the whole rest of the file.
pub(super) const CELL_SHOWN: usize = 40;

/// Why bytes are not CSV of numbers. Lines and columns count from 1, as editors do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the messages say what the fields are
pub enum CsvError {
    #[error("the file holds no row of numbers")]
    Empty,
    #[error("the file holds no row of cells")]
    NoRows,
    #[error("line {line}, column {column}: `{cell}` is not a number; cells are numbers separated by commas{hint}")]
    NotANumber { line: u64, column: usize, cell: String, hint: &'static str },
    #[error("line {line}, column {column}: `{cell}` is not a finite number in 32 bits")]
    NotFinite { line: u64, column: usize, cell: String },
    #[error("line {line}, column {column}: the cell is not UTF-8 text; save the file as UTF-8")]
    NotUtf8 { line: u64, column: usize },
    #[error("line {line} has {had} cell(s), but the first line has {wanted}; every line needs the same number")]
    Ragged { line: u64, wanted: usize, had: usize },
    #[error("line {line}: a quote is opened in this row and never closed")]
    OpenQuote { line: u64 },
    #[error("cannot be read as CSV: {0}")]
    Format(String),
}

/// Reads a CSV file of numbers as (N, I).
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] with line and column when it is not CSV of numbers.
pub fn read(path: &Path) -> Result<Features> {
    of(&Content::read(path)?)
}

/// [`parse`], with the file named in the error.
pub(super) fn of(content: &Content) -> Result<Features> {
    parse(content.bytes()).map(Features::F32).map_err(|e| Error::data(content.path(), e.to_string()))
}

/// Parses CSV of numbers as (N, I).
///
/// The first line is a header, and skipped, if not one of its cells is a number. A first line with both numbers and other
/// cells is an error, because leaving out a row with a slip of the pen would go unseen.
///
/// # Errors
/// The first thing that is wrong, as [`CsvError`].
pub fn parse(bytes: &[u8]) -> Result<Array2<f32>, CsvError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    // `flexible`, because the check for ragged rows here has the better message.
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut rows = Rows::default();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| CsvError::Format(e.to_string()))? {
        let line = || line_of(bytes, record.position().map_or(0, |p| p.byte()));
        rows.push(&record, line)?;
    }
    rows.finish()
}

#[derive(Default)]
struct Rows {
    width: Option<usize>, // cells in the first line, header or not
    cells: Vec<f32>,
    count: usize,
}

impl Rows {
    fn push(&mut self, record: &ByteRecord, line: impl Fn() -> u64) -> Result<(), CsvError> {
        let first = self.width.is_none();
        let wanted = *self.width.get_or_insert(record.len());
        if record.len() != wanted {
            return Err(CsvError::Ragged { line: line(), wanted, had: record.len() });
        }
        if first && is_header(record) {
            return Ok(());
        }
        for (column, cell) in record.iter().enumerate() {
            self.cells.push(number(cell).map_err(|fault| fault.at(line(), column + 1, cell, first))?);
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<Array2<f32>, CsvError> {
        match self.width {
            Some(width @ 1..) if self.count > 0 => {
                Array2::from_shape_vec((self.count, width), self.cells).map_err(|e| CsvError::Format(e.to_string()))
            }
            _ => Err(CsvError::Empty),
        }
    }
}

#[derive(PartialEq)]
enum Fault {
    NotUtf8,
    NotANumber,
    NotFinite,
}

impl Fault {
    fn at(self, line: u64, column: usize, cell: &[u8], first: bool) -> CsvError {
        let hint = if first { " (a header line must not have numbers in it)" } else { "" };
        // One line, whatever is in the cell.
        let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
        let cell = String::from_utf8_lossy(cell).chars().take(CELL_SHOWN).map(visible).collect();
        match self {
            Self::NotUtf8 => CsvError::NotUtf8 { line, column },
            Self::NotANumber => CsvError::NotANumber { line, column, cell, hint },
            Self::NotFinite => CsvError::NotFinite { line, column, cell },
        }
    }
}

fn number(cell: &[u8]) -> Result<f32, Fault> {
    let text = str::from_utf8(cell).map_err(|_| Fault::NotUtf8)?;
    let value: f32 = text.parse().map_err(|_| Fault::NotANumber)?;
    if value.is_finite() { Ok(value) } else { Err(Fault::NotFinite) }
}

fn is_header(record: &ByteRecord) -> bool {
    record.iter().all(|cell| number(cell) == Err(Fault::NotANumber))
}

/// Line, from 1, of the record that the reader met from byte `start` on. Counted here, because the reader's own count
/// lags behind blank lines and the second half of CR LF.
fn line_of(bytes: &[u8], start: u64) -> u64 {
    let start = usize::try_from(start).unwrap_or(bytes.len()).min(bytes.len());
    let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let before = &bytes[..start + blank];
    let line_feeds = before.iter().filter(|&&b| b == b'\n').count();
    let lone_returns = before.windows(2).filter(|pair| pair[0] == b'\r' && pair[1] != b'\n').count();
    let last_return = usize::from(before.last() == Some(&b'\r'));
    (1 + line_feeds + lone_returns + last_return) as u64
}
