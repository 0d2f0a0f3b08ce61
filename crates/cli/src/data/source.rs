//! Samples by name or path, and the flags that say how they are written.

use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use wgrad::data::npy::Elements;
use wgrad::data::{ArraySpec, Content, Format, Header, Parts, Preprocessing, RawArrays, Table, TableFormat};
use wgrad::run::{self, Source};
use wgrad::{Dataset, ModelFile, datasets};

use crate::{Failure, Result};

/// In place of a file's name: what is piped in.
const STANDARD_INPUT: &str = "-";

/// A flag, and whether it says anything.
pub type Flag = (&'static str, bool);

/// Rejects flags for other kinds of datasets, which would have no effect.
pub fn refuse_idle(dataset: &str, kinds: &[(bool, &[Flag], &str)]) -> Result<()> {
    for (fits, flags, kind) in kinds {
        if let Some((flag, _)) = flags.iter().find(|(_, given)| *given && !fits) {
            return Err(Failure::Usage(format!("{flag} is for {kind}, which {dataset} is not")));
        }
    }
    Ok(())
}

/// What is read from the directory of the built-in sets.
pub const IN_DATA_DIR: &str = "mnist and fashion-mnist";

/// How text files are written.
#[derive(Args, Clone, Debug)]
pub struct RowFormat {
    /// Delimiter of a table: one character, or `tab`.
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = delimiter)]
    delimiter: u8,
    /// The table has no header; columns are called 1, 2, 3 and so on [default: detected; a first line with a number is a
    /// sample].
    #[arg(long)]
    no_header: bool,
    /// The table's first line is a header, even if it contains a number.
    #[arg(long)]
    header: bool,
}

impl RowFormat {
    /// Those that are not as they would be if they were left out, with what they are for.
    pub fn given(&self) -> [Flag; 3] {
        [("--delimiter", self.delimiter != b','), ("--header", self.header), ("--no-header", self.no_header)]
    }

    pub fn format(&self) -> Result<TableFormat> {
        let header = match (self.header, self.no_header) {
            (true, true) => return Err(Failure::Usage("--header and --no-header exclude each other".to_owned())),
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

/// Where the name is `-`, something must be piped in.
pub fn check_piped(path: &Path) -> Result<()> {
    if path == Path::new(STANDARD_INPUT) && stdin().is_terminal() {
        let reason = "`-` is standard input, and nothing is piped into it; name a file, or pipe one in";
        return Err(Failure::Usage(reason.to_owned()));
    }
    Ok(())
}

/// What a file holds, or a pipe, or standard input where the name is `-`. A pipe can be read only once.
pub fn content(path: &Path) -> Result<Content> {
    check_piped(path)?;
    Ok(run::content(path)?)
}

/// An NPY file has no answers of its own.
pub fn check_answers(x: &Content, y: Option<&str>) -> Result<()> {
    match y {
        None if x.format() != Format::Npz => {
            let name = x.path().display();
            let reason = format!("{name} holds features only; name the file of the targets with --y FILE.npy");
            Err(Failure::Usage(reason))
        }
        _ => Ok(()),
    }
}

/// The samples to evaluate a saved model on.
#[derive(Args)]
pub struct SamplesArgs {
    /// A built-in set (mnist, fashion-mnist, iris, xor, line, make-moons, make-regression, make-classification), a CSV,
    /// NPZ or NPY file, gzipped or not, - for standard input, or a directory with four IDX files.
    #[arg(value_name = "DATASET")]
    pub dataset: String,
    /// Directory of the built-in datasets [default: $WGRAD_DATA, else the one that came with wgrad].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    format: RowFormat,
    /// The array of features in an NPZ file [default: as in training].
    #[arg(long, value_name = "NAME")]
    x: Option<String>,
    /// The array of targets in an NPZ file, or an NPY file of targets.
    #[arg(long, value_name = "NAME|FILE.npy")]
    y: Option<String>,
    /// Target columns of a table, by name or number, for a model that was not trained on a table; all others are its inputs,
    /// in order [default: the last].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    target: Vec<String>,
}

impl SamplesArgs {
    /// All samples, encoded as the model's preprocessing says: those of a test or training part of their own where
    /// there is one. And whether they came out of a pipe, whose name says nothing of them.
    pub fn load(&self, model: &ModelFile) -> Result<(Parts, bool)> {
        check_piped(Path::new(&self.dataset))?;
        let source = Source::find(&self.dataset, self.format.format()?)?;
        self.check_flags(&source)?;
        let piped = match &source {
            Source::Table { piped, .. } => *piped,
            Source::Arrays(content) => content.is_pipe(),
            Source::Images | Source::Made(_) => false,
        };
        Ok((self.parts(source, model)?, piped))
    }

    fn check_flags(&self, source: &Source) -> Result<()> {
        let table = [("--target", !self.target.is_empty())];
        let array = [("--x", self.x.is_some()), ("--y", self.y.is_some())];
        let place = [("--data-dir", self.data_dir.is_some())];
        refuse_idle(
            &self.dataset,
            &[
                (matches!(source, Source::Table { .. }), &table, "tables (CSV)"),
                (
                    matches!(source, Source::Table { .. }) && self.dataset != "iris",
                    &self.format.given(),
                    "tables (CSV)",
                ),
                (matches!(source, Source::Arrays(_)), &array, "NPZ and NPY files"),
                (datasets::KNOWN.contains(&self.dataset.as_str()), &place, IN_DATA_DIR),
            ],
        )
    }

    fn parts(&self, source: Source, model: &ModelFile) -> Result<Parts> {
        let known = Arc::new(model.preprocessing.clone().unwrap_or_default());
        let whole = |data: Dataset| Parts { train: data, validation: None, test: None };
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
            Source::Table { table, .. } => whole(self.columns(model, &known, &table)?.dataset(&table)?),
            Source::Arrays(x) => {
                let spec = ArraySpec { x: self.x.clone(), y: self.y.clone(), ..ArraySpec::default() };
                check_answers(&x, self.y.as_deref())?;
                let raw = run::raw_arrays(&x, &spec, self.y.as_deref())?;
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
            "--target: the model was trained on a table, whose targets are in {}; leave it out",
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
