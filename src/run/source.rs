//! Resolution of a dataset's name or path.

use std::path::Path;

use crate::data::{ArraySpec, Content, Dataset, Format, RawParts, Table, TableFormat, datasets};
use crate::error::{Error, Result};

/// Names of tables' files, besides what their first bytes say.
const TABLES: [&str; 4] = ["csv", "tsv", "txt", "data"];
/// In place of a file's name: what is piped in.
const STANDARD_INPUT: &str = "-";

/// A resolved dataset.
#[derive(Clone, Debug)]
pub enum Source {
    /// Images by name or from a directory: parts of their own.
    Images,
    /// Generated or compiled in, in memory.
    Made(Dataset),
    /// Text.
    Table {
        /// Its rows.
        table: Table,
        /// Whether it came out of a pipe, whose name says nothing.
        piped: bool,
    },
    /// Arrays by name, or one of features, whose answers lie elsewhere.
    Arrays(Content),
}

impl Source {
    /// Finds out, and reads it unless it is images.
    ///
    /// # Errors
    /// [`Error::UnknownDataset`] for a name that stands for nothing; [`Error::Data`] for a file that is no training set; what
    /// reading gives.
    pub fn find(name: &str, format: TableFormat) -> Result<Self> {
        if name == "iris" {
            return Ok(Self::Table { table: datasets::iris_table()?, piped: false });
        }
        if let Some(data) = datasets::made(name)? {
            return Ok(Self::Made(data));
        }
        let path = Path::new(name);
        if datasets::KNOWN.contains(&name) || path.is_dir() {
            return Ok(Self::Images);
        }
        match path.metadata() {
            Err(source) if name != STANDARD_INPUT => Err(unknown(name, source)),
            _ => Self::of_content(content(path)?, format),
        }
    }

    fn of_content(content: Content, format: TableFormat) -> Result<Self> {
        match content.format() {
            Format::Npy | Format::Npz => Ok(Self::Arrays(content)),
            Format::Other if is_table(&content) => {
                Ok(Self::Table { table: Table::of(&content, format)?, piped: content.is_pipe() })
            }
            _ => {
                let reason = format!(
                    "this is no training set that is read: NPZ, NPY (with a file of answers), a table whose name ends in .{} \
                     (each gzipped or not), or the directory of four IDX files",
                    TABLES.join(", .")
                );
                Err(Error::data(content.path(), reason))
            }
        }
    }
}

/// What a file holds, or a pipe, or standard input where the name is `-`. A pipe can be read only once.
///
/// # Errors
/// As [`Content::read`] and [`Content::of`].
pub fn content(path: &Path) -> Result<Content> {
    match path == Path::new(STANDARD_INPUT) {
        true => Content::of("standard input", std::io::stdin().lock()),
        false => Content::read(path),
    }
}

/// Text without a name to tell by is taken for a table.
pub fn is_table(content: &Content) -> bool {
    content.is_pipe() || is_tables_name(&content.extension())
}

fn is_tables_name(extension: &str) -> bool {
    TABLES.contains(&extension)
}

/// The sets that have names.
pub fn names() -> impl Iterator<Item = &'static str> {
    datasets::KNOWN.iter().chain(&["iris"]).chain(datasets::MADE).copied()
}

/// A name that stands for nothing; one that looks like a path was meant as a file.
fn unknown(name: &str, source: std::io::Error) -> Error {
    let extension = Content::extension_of(Path::new(name));
    let is_data = is_tables_name(&extension) || ["npy", "npz"].contains(&extension.as_str());
    if name.contains(['/', '\\']) || is_data {
        return Error::io(Path::new(name), "read", source);
    }
    let (before, _) = name.split_once(':').unwrap_or((name, ""));
    if before != name && (datasets::KNOWN.contains(&before) || before == "iris") {
        return Error::spec(before, "has no options");
    }
    Error::UnknownDataset { name: name.to_owned(), known: names().collect::<Vec<_>>().join(", ") }
}

/// Raw rows with answers from an NPZ file's training part, or from two NPY files.
///
/// # Errors
/// [`Error::Spec`] for NPY features without a file of answers; as [`ArraySpec::npz`] and [`ArraySpec::npy`].
pub fn raw_arrays(x: &Content, spec: &ArraySpec, y: Option<&str>) -> Result<RawParts> {
    if x.format() == Format::Npz {
        return spec.npz(x);
    }
    let Some(y) = y else {
        let reason = format!("{} holds features only; name the NPY file of the targets", x.path().display());
        return Err(Error::spec("y", reason));
    };
    Ok(RawParts { train: ArraySpec::npy(x, &content(Path::new(y))?)?, validation: None, test: None })
}
