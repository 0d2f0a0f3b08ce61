//! What a dataset's name or path stands for.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use wgrad::data::npy::Elements;
use wgrad::data::{ArraySpec, Header, Parts, Preprocessing, RawArrays, RawParts, Table, TableFormat, read_rows_called};
use wgrad::{Dataset, Error, Features, ModelFile, datasets};

use crate::{Failure, Result};

/// Names of tables' files, besides what their first bytes say.
const TABLES: [&str; 4] = ["csv", "tsv", "txt", "data"];
/// What NPY and NPZ files begin with.
const NPY: &[u8] = b"\x93NUMPY";
const NPZ: &[u8] = b"PK\x03\x04";

/// How text files are written.
#[derive(Args, Clone, Debug)]
pub struct RowFormat {
    /// What stands between the cells of a table: one character, or `tab`.
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    /// The table's first line is a sample; columns are then called 1, 2, 3 and so on [default: it is one if a cell is a
    /// number].
    #[arg(long)]
    no_header: bool,
    /// The table's first line holds the columns' names, even if one is a number.
    #[arg(long)]
    header: bool,
}

impl RowFormat {
    pub fn format(&self) -> Result<TableFormat> {
        let header = match (self.header, self.no_header) {
            (true, true) => return Err(Failure::Usage("--header and --no-header cannot both be".to_owned())),
            (true, false) => Header::Present,
            (false, true) => Header::Absent,
            (false, false) => Header::Auto,
        };
        Ok(TableFormat { delimiter: self.delimiter, header })
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("must be a single character such as ; or the word tab".to_owned()),
    }
}

/// What a dataset's name stands for.
pub enum Source {
    /// Images by name or from a directory: parts of their own.
    Images,
    /// Made up or compiled in, in memory.
    Made(Dataset),
    /// Text.
    Table(Table),
    /// One array of features; the answers lie elsewhere.
    Npy(PathBuf),
    /// Arrays by name.
    Npz(PathBuf),
}

impl Source {
    /// Finds out, and reads text.
    pub fn find(name: &str, format: TableFormat) -> Result<Self> {
        if name == "iris" {
            return Ok(Self::Table(datasets::iris_table()?));
        }
        if let Some(data) = datasets::made(name)? {
            return Ok(Self::Made(data));
        }
        let path = Path::new(name);
        if datasets::KNOWN.contains(&name) || path.is_dir() {
            return Ok(Self::Images);
        }
        match path.metadata() {
            Ok(_) => {
                no_pipe(path)?;
                Self::of_file(path, format)
            }
            Err(source) => Err(unknown(name, source).into()),
        }
    }

    fn of_file(path: &Path, format: TableFormat) -> Result<Self> {
        let start = first_bytes(path)?;
        if start.starts_with(NPY) {
            return Ok(Self::Npy(path.to_path_buf()));
        }
        if start.starts_with(NPZ) {
            return Ok(Self::Npz(path.to_path_buf()));
        }
        if is_table(path) {
            return Ok(Self::Table(Table::read(path, format)?));
        }
        let reason = format!(
            "this is no training set that is read: NPZ, NPY (with --y), a table whose name ends in .{}, or the \
             directory of four IDX files",
            TABLES.join(", .")
        );
        Err(Error::Data { path: path.to_path_buf(), reason }.into())
    }
}

/// Files are looked into before they are read, which pipes do not allow.
fn no_pipe(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            let reason = "this is no file but a device or a pipe; save the rows to a file first".to_owned();
            Err(Error::Data { path: path.to_path_buf(), reason }.into())
        }
        _ => Ok(()),
    }
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|extension| TABLES.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::Io { path: path.to_path_buf(), action: "read", source };
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(NPY.len() as u64).read_to_end(&mut start).map_err(failed)?;
    Ok(start)
}

/// A name that stands for nothing; one that looks like a path was meant as a file.
fn unknown(name: &str, source: std::io::Error) -> Error {
    if name.contains(['/', '\\']) || is_table(Path::new(name)) {
        return Error::Io { path: name.into(), action: "read", source };
    }
    let known = datasets::KNOWN.iter().chain(&["iris"]).chain(datasets::MADE);
    Error::UnknownDataset { name: name.to_owned(), known: known.copied().collect::<Vec<_>>().join(", ") }
}

/// Raw rows with answers from an NPZ file's training part, or from two NPY files.
pub fn arrays_of(path: &Path, spec: &ArraySpec, y: Option<&str>) -> Result<RawParts> {
    if first_bytes(path)?.starts_with(NPZ) {
        return Ok(spec.read_npz(path)?);
    }
    let Some(y) = y else {
        let reason = format!("{} holds features only; name the file of the answers with --y FILE.npy", path.display());
        return Err(Failure::Usage(reason));
    };
    Ok(RawParts { train: ArraySpec::read_npy(path, Path::new(y))?, validation: None, test: None })
}

/// Which samples a saved model is to judge.
#[derive(Args)]
pub struct SamplesArgs {
    /// A built-in set (mnist, fashion-mnist, iris, xor, line, make-moons, make-regression, make-classification), a CSV,
    /// NPZ or NPY file, or a directory with four IDX files.
    #[arg(value_name = "DATASET")]
    pub dataset: String,
    /// Directory that holds the built-in datasets [default: $WGRAD_DATA, else where they came with wgrad].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    format: RowFormat,
    /// The array of features in an NPZ file [default: as in training].
    #[arg(long, value_name = "NAME")]
    x: Option<String>,
    /// The array of answers in an NPZ file, or the NPY file of answers.
    #[arg(long, value_name = "NAME|FILE.npy")]
    y: Option<String>,
    /// Columns of a table that hold the answers, by name or number, for a model that was not trained on a table; all others
    /// are its inputs, in their order [default: the last].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    target: Vec<String>,
}

impl SamplesArgs {
    /// All samples, encoded as the model's preprocessing says: those of a test or training part of their own where
    /// there is one.
    pub fn load(&self, model: &ModelFile) -> Result<Parts> {
        let known = Arc::new(model.preprocessing.clone().unwrap_or_default());
        let whole = |data: Dataset| Parts { train: data, validation: None, test: None };
        let source = Source::find(&self.dataset, self.format.format()?)?;
        if !self.target.is_empty() && !matches!(source, Source::Table(_)) {
            return Err(Failure::Usage(format!("--target is for tables (CSV), which {} is not", self.dataset)));
        }
        Ok(match source {
            Source::Images => {
                let parts = datasets::load(&self.dataset, self.data_dir.as_deref())?;
                if known.columns.is_empty() && !known.normalize {
                    return Ok(parts.into());
                }
                let part = |data: Dataset| known.array_dataset(RawArrays::from(data));
                Parts { train: part(parts.train)?, validation: None, test: Some(part(parts.test)?) }
            }
            Source::Made(data) if is_named(&known) => whole(known.array_dataset(data.into())?),
            Source::Made(data) => whole(data),
            Source::Table(table) => whole(self.columns(model, &known, &table)?.dataset(&table)?),
            Source::Npy(path) | Source::Npz(path) => {
                let spec = ArraySpec { x: self.x.clone(), y: self.y.clone(), ..ArraySpec::default() };
                let raw = arrays_of(&path, &spec, self.y.as_deref())?;
                let several = raw.train.y.shape[1..].iter().product::<usize>() > 1;
                let floats = matches!(raw.train.y.elements, Elements::Float(_));
                let values = several || floats && model.spec.loss.is_for_values();
                let known = Arc::new(outputs_named(&known, model, values));
                let part = |raw: Option<RawArrays>| raw.map(|raw| known.array_dataset(raw)).transpose();
                Parts {
                    train: known.array_dataset(raw.train)?,
                    validation: part(raw.validation)?,
                    test: part(raw.test)?,
                }
            }
        })
    }

    /// What the model knows of the columns, or else is told of them.
    fn columns(&self, model: &ModelFile, known: &Arc<Preprocessing>, table: &Table) -> Result<Arc<Preprocessing>> {
        if !known.knows_columns() {
            let named = outputs_named(known, model, model.spec.loss.is_for_values());
            return Ok(Arc::new(named.for_table(table, model.model.inputs, &self.target)?));
        }
        if self.target.is_empty() {
            return Ok(known.clone());
        }
        let own: Vec<_> = known.targets.iter().map(|target| format!("`{}`", target.source.name)).collect();
        let reason = format!(
            "--target: the model was trained on a table, whose answers are in {}; leave it out",
            own.join(", ")
        );
        Err(Failure::Usage(reason))
    }
}

/// Whether outputs have names.
fn is_named(known: &Preprocessing) -> bool {
    !known.targets.is_empty() || !known.classes.is_empty()
}

/// The same, with numbers for names where outputs have none: a class is then the output of its number, whichever classes
/// there are among the answers.
fn outputs_named(known: &Preprocessing, model: &ModelFile, values: bool) -> Preprocessing {
    if is_named(known) {
        return known.clone();
    }
    let Preprocessing { classes, targets, .. } = Preprocessing::numbered(model.model.outputs(), values);
    Preprocessing { classes, targets, ..known.clone() }
}

/// What to know where a model of bytes, which were scaled to 0 to 1 in training, is given numbers beyond 1: they are taken
/// as they are, and are hardly meant so.
pub fn scaled_otherwise(model: &ModelFile, rows: &Features) -> Option<String> {
    let Features::F32(x) = rows else { return None };
    let largest = x.iter().copied().fold(0.0, f32::max);
    let plain = model.preprocessing.as_ref().is_none_or(|known| known.columns.is_empty() && !known.normalize);
    (model.facts.bytes && plain && largest > 1.0).then(|| {
        format!(
            "the model was trained on bytes scaled to 0 to 1, and these numbers, which reach {largest}, are taken as they \
             are; save pixels as NPY of dtype uint8, or divide them by 255"
        )
    })
}

/// The same error, with the file in it.
fn in_file(error: Error, path: &Path) -> Failure {
    match error {
        Error::Shape { operation, wanted, got, .. } => {
            Error::Shape { operation, tensor: path.display().to_string(), wanted, got }.into()
        }
        other => other.into(),
    }
}

/// Rows to predict, encoded as the model's preprocessing says.
pub fn rows(
    path: &Path,
    format: TableFormat,
    x: Option<&str>,
    preprocessing: Option<&Preprocessing>,
) -> Result<Features> {
    no_pipe(path)?;
    let start = first_bytes(path)?;
    let binary = [NPY, NPZ, &[0, 0], &[0x1f, 0x8b]].iter().any(|magic| start.starts_with(magic));
    match preprocessing {
        Some(known) if is_table(path) && !binary && !known.columns.is_empty() && x.is_none() => {
            let table = Table::read(path, format)?;
            let all: Vec<usize> = (0..table.len()).collect();
            Ok(Features::F32(known.encode(&table, &all)?))
        }
        Some(known) => known.encode_array(read_rows_called(path, x)?).map_err(|error| in_file(error, path)),
        None => Ok(read_rows_called(path, x)?),
    }
}
