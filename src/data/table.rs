//! CSV as text: named columns of cells, before anybody has said which are numbers and which are categories.

use super::Content;
use super::csv::{BYTE_ORDER_MARK, CELL_SHOWN, CsvError};
use crate::hint::Hint;
use crate::names::suggestion;
use crate::{Error, Result};
use csv::{ByteRecord, ReaderBuilder, Trim};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str;

/// Cells that stand for a value that is not known, capitals aside; an empty cell does too. As pandas reads them, and
/// `?` as in the UCI repository.
const MISSING: &[&str] = &["na", "n/a", "nan", "null", "none", "?", "<na>", "#n/a"];

/// All texts that stand for a missing value, in every mix of capitals.
pub(crate) fn missing_spellings() -> Vec<String> {
    let mut all = vec![String::new()];
    for word in MISSING {
        let mut spellings = vec![String::new()];
        for letter in word.chars() {
            let capital = letter.to_ascii_uppercase();
            let written = [letter, capital].into_iter().take(if capital == letter { 1 } else { 2 });
            let longer = |start: &String| written.clone().map(|letter| format!("{start}{letter}")).collect::<Vec<_>>();
            spellings = spellings.iter().flat_map(longer).collect();
        }
        all.extend(spellings);
    }
    all
}

/// Whether the first line of a table names its columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Header {
    /// It does if not one of its cells is a number.
    #[default]
    Auto,
    /// It does.
    Present,
    /// It is a sample like the others; columns are then called 1, 2, 3 and so on.
    Absent,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableFormat {
    /// What stands between cells, a comma unless told otherwise.
    pub delimiter: u8,
    /// Whether the first line names the columns.
    pub header: Header,
}

impl Default for TableFormat {
    fn default() -> Self {
        Self { delimiter: b',', header: Header::Auto }
    }
}

/// A table of text: every row has a cell for each column. Never empty.
///
/// ```
/// use wgrad::data::{Table, TableFormat};
/// let table = Table::parse("pets.csv", b"kind,age\ncat,3\ndog,?\n", TableFormat::default())?;
/// assert_eq!((table.len(), table.names()), (2, &["kind".to_owned(), "age".to_owned()][..]));
/// assert_eq!((table.cell(0, 0), table.line(1), table.is_missing(1, 1)), ("cat", 3, true));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    source: PathBuf,
    names: Vec<String>,
    header: bool,
    text: String,     // all cells, one after the other
    ends: Vec<usize>, // (N * columns) where each cell ends in `text`
    lines: Vec<u64>,  // (N)
}

impl Table {
    /// Reads a file, gzipped or not. One whose name ends in `.tsv` has tabs between its cells where the format says comma.
    ///
    /// # Errors
    /// As [`Content::read`] and [`Table::parse`].
    pub fn read(path: &Path, format: TableFormat) -> Result<Self> {
        Self::of(&Content::read(path)?, format)
    }

    /// [`Table::read`], of what was read already.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn of(content: &Content, mut format: TableFormat) -> Result<Self> {
        if content.extension() == "tsv" && format.delimiter == b',' {
            format.delimiter = b'\t';
        }
        Self::parse(content.path(), content.bytes(), format)
    }

    /// Takes bytes apart; `source` is what messages call them.
    ///
    /// # Errors
    /// [`Error::Data`] with the line of a row that has more or fewer cells than the first, or of a cell that is not
    /// UTF-8; for columns of one name; and where there is no row.
    pub fn parse(source: impl Into<PathBuf>, bytes: &[u8], format: TableFormat) -> Result<Self> {
        let source = source.into();
        let parsed = Parser::new(bytes, format).run();
        let Parser { names, header, text, ends, lines, .. } =
            parsed.map_err(|e| Error::data(&source, e.to_string()))?;
        let table = Self { source, names, header, text, ends, lines };
        let double = table.names.iter().enumerate().find(|(n, name)| table.names[..*n].contains(name));
        match double {
            Some((n, name)) => {
                Err(table.refuse(format!("line 1: column {} is called `{name}` like one before it", n + 1)))
            }
            None => Ok(table),
        }
    }

    /// N, the number of rows, the header not counted.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Always false: no constructor makes an empty table.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The columns' names: from the header, or else their numbers, from 1.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the first line named the columns.
    pub fn has_header(&self) -> bool {
        self.header
    }

    /// What messages call it: the file's path.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The line on which a row stands, from 1 as in an editor.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// The text of a cell, without spaces around it; row and column count from 0.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        let at = row * self.names.len() + column;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// Whether a cell stands for a value that is not known: empty, NA, NaN, null, none or ?.
    pub fn is_missing(&self, row: usize, column: usize) -> bool {
        let cell = self.cell(row, column);
        cell.is_empty() || MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
    }

    /// The number in a cell.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line, column and cell, where it is none, or not a finite one in 32 bits.
    pub fn number(&self, row: usize, column: usize) -> Result<f64> {
        self.number_or(row, column, Hint::CategoriesOrDrop)
    }

    /// The number in a cell of a regression's target.
    pub(super) fn answer(&self, row: usize, column: usize) -> Result<f64> {
        self.number_or(row, column, Hint::TargetTaskOrHeader)
    }

    /// The number in a cell of a column that held numbers in training.
    pub(super) fn known_number(&self, row: usize, column: usize) -> Result<f64> {
        self.number_or(row, column, Hint::Header)
    }

    /// The number in a cell, or what to do where it is none.
    fn number_or(&self, row: usize, column: usize, way_out: Hint) -> Result<f64> {
        match self.cell(row, column).parse::<f64>() {
            Ok(value) if (value as f32).is_finite() => Ok(value),
            Ok(_) => Err(self.cell_error(row, column, "is not a finite number in 32 bits")),
            Err(_) if self.cell(row, column).replace(',', ".").parse::<f64>().is_ok() => {
                Err(self.cell_error(row, column, "is not a number; write a point, not a comma, before the fraction"))
            }
            Err(_) => Err(self.cell_error(row, column, "is not a number").hinting(way_out)),
        }
    }

    /// The column of this name, or else of this number: from 1, and from -1 for the last one backwards.
    ///
    /// # Errors
    /// [`Error::Spec`] for `field`, with the nearest name, where there is none.
    pub fn column(&self, name: &str, field: &str) -> Result<usize> {
        let by_name = self.names.iter().position(|known| known == name);
        let width = self.names.len();
        let by_number = || match name.parse::<i64>().ok()? {
            n if n >= 1 => usize::try_from(n - 1).ok().filter(|n| *n < width),
            n if n < 0 => width.checked_sub(usize::try_from(n.unsigned_abs()).ok()?),
            _ => None,
        };
        by_name.or_else(by_number).ok_or_else(|| {
            let (near, path) = (suggestion(name, self.names.iter().map(String::as_str)), self.source.display());
            let reason = format!("{path} has no column `{name}`{near}{}", self.listing());
            Error::spec(field, reason)
        })
    }

    /// What its columns are called, for messages.
    pub(super) fn listing(&self) -> String {
        const SHOWN: usize = 12;
        let (width, shown) = (self.names.len(), self.names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "));
        match self.header {
            true if width > SHOWN => format!("; its {width} columns are {shown} and so on"),
            true => format!("; its columns are {shown}"),
            false => format!("; it has no header line, and columns 1 to {width}"),
        }
    }

    /// Something wrong with a cell, in one line: file, line, column, the cell, and `reason`.
    pub(super) fn cell_error(&self, row: usize, column: usize, reason: &str) -> Error {
        let named = if self.header { format!(" (`{}`)", self.names[column]) } else { String::new() };
        let cell: String = self.cell(row, column).chars().take(CELL_SHOWN).collect();
        self.refuse(format!("line {}, column {}{named}: `{cell}` {reason}", self.line(row), column + 1))
    }

    /// Something wrong with the whole table.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::data(&self.source, reason)
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    format: TableFormat,
    names: Vec<String>,
    header: bool,
    text: String,
    ends: Vec<usize>,
    lines: Vec<u64>,
    counter: LineCounter,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], format: TableFormat) -> Self {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let (names, ends, lines, counter) = (Vec::new(), Vec::new(), Vec::new(), LineCounter { at: 0, line: 1 });
        Self { bytes, format, names, header: false, text: String::new(), ends, lines, counter }
    }

    fn run(mut self) -> Result<Self, CsvError> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).trim(Trim::All).delimiter(self.format.delimiter);
        let mut reader = builder.from_reader(self.bytes);
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| CsvError::Format(e.to_string()))? {
            let start = record.position().map_or(0, |p| p.byte());
            let line = self.counter.line_of(self.bytes, start);
            let last = reader.position().byte() >= self.bytes.len() as u64;
            if last && ends_in_quote(&self.bytes[usize::try_from(start).unwrap_or(0)..], self.format.delimiter) {
                return Err(CsvError::OpenQuote { line });
            }
            self.push(&record, line)?;
        }
        if self.lines.is_empty() { Err(CsvError::NoRows) } else { Ok(self) }
    }

    fn push(&mut self, record: &ByteRecord, line: u64) -> Result<(), CsvError> {
        let cells = cells(record, line)?;
        if self.names.is_empty() {
            self.header = match self.format.header {
                Header::Auto => cells.iter().all(|cell| cell.parse::<f64>().is_err()),
                Header::Present => true,
                Header::Absent => false,
            };
            if self.header {
                self.names = cells.iter().map(|cell| (*cell).to_owned()).collect();
                return Ok(());
            }
            self.names = (1..=cells.len()).map(|n| n.to_string()).collect();
        }
        if cells.len() != self.names.len() {
            return Err(CsvError::Ragged { line, wanted: self.names.len(), had: cells.len() });
        }
        for cell in cells {
            self.text.push_str(cell);
            self.ends.push(self.text.len());
        }
        self.lines.push(line);
        Ok(())
    }
}

fn cells(record: &ByteRecord, line: u64) -> Result<Vec<&str>, CsvError> {
    let text = |(n, cell)| str::from_utf8(cell).map_err(|_| CsvError::NotUtf8 { line, column: n + 1 });
    record.iter().enumerate().map(text).collect()
}

/// Whether a quote is open at the end of a row: it would have taken the rest of the file into one cell. Quotes open at
/// the beginning of a cell only, and two of them within one stand for one (RFC 4180).
fn ends_in_quote(row: &[u8], delimiter: u8) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Beginning,
        Plain,
        Quoted,
        Closed,
    }
    let after = |at: At, byte: &u8| match (at, *byte) {
        (At::Beginning | At::Closed, b'"') => At::Quoted,
        (At::Quoted, b'"') => At::Closed,
        (At::Quoted, _) => At::Quoted,
        (_, byte) if byte == delimiter || byte == b'\r' || byte == b'\n' => At::Beginning,
        _ => At::Plain,
    };
    row.iter().fold(At::Beginning, after) == At::Quoted
}

/// Counts lines up to where records start; the reader's own count lags behind blank lines and the second half of CR LF.
struct LineCounter {
    at: usize,
    line: u64,
}

impl LineCounter {
    /// The line, from 1, of the record that the reader met from byte `start` on. Records come in order.
    fn line_of(&mut self, bytes: &[u8], start: u64) -> u64 {
        let start = usize::try_from(start).unwrap_or(bytes.len()).clamp(self.at, bytes.len());
        let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let passed = &bytes[self.at..start + blank];
        let ends = passed.iter().enumerate().filter(|(n, b)| match b {
            b'\n' => true,
            b'\r' => passed.get(n + 1) != Some(&b'\n'),
            _ => false,
        });
        self.line += ends.count() as u64;
        self.at = start + blank;
        self.line
    }
}
