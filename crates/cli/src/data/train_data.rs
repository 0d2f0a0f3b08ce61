//! The arguments of `wgrad train` that say what to learn from, and the parts that they make.

use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Args, ValueEnum};
use wgrad::data::{ArraySpec, Missing, Parts, Preprocessing, RawParts, Scale, Split, Table, TableSpec, Task};
use wgrad::{Dataset, datasets};

use super::source::{IN_DATA_DIR, RowFormat, Source, arrays_of, content, refuse_idle};
use crate::{Failure, Result, args};

/// The share that is held back where a set has no test part of its own.
const DEFAULT_TEST: f64 = 0.2;

/// What to learn from.
#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct TrainDataArgs {
    /// A built-in set (mnist, fashion-mnist, iris, xor, line, make-moons, make-regression, make-classification; made-up
    /// ones take options, as in make-moons:samples=500,noise=0.1), a CSV, NPZ or NPY file, gzipped or not, - for what is
    /// piped in, or a directory with four IDX files.
    #[arg(value_name = "DATASET", help_heading = Resettable::Reset)]
    pub dataset: String,
    /// Directory that holds the built-in datasets [default: $WGRAD_DATA, else where they came with wgrad].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Columns of a table that hold the answers, by name or number (from 1, or -1 for the last) [default: the last].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    target: Vec<String>,
    /// What the answers are [default: classes for words, and for whole numbers of which a table has at most 20 different
    /// ones; else values]. Regression minimizes the mean squared error.
    #[arg(long, value_enum, value_name = "classification|regression", hide_possible_values = true)]
    task: Option<TaskName>,
    /// Columns of categories: an input for each category, 1 where it is this one.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    categorical: Vec<String>,
    /// Columns of categories that become their number, sorted, or in your order: size=small:medium:large.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    ordinal: Vec<String>,
    /// Columns that are not read.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    drop: Vec<String>,
    /// The column that says how much each sample counts in the loss.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    weights_column: Option<String>,
    /// Cells without a value (empty, NA, NaN, null, none or ?): refuse them, drop their rows, or put the training part's
    /// mean there (of categories the most frequent one).
    #[arg(long, value_enum, value_name = "error|drop|mean", default_value_t = MissingName::Error,
          hide_possible_values = true)]
    missing: MissingName,
    #[command(flatten)]
    format: RowFormat,
    /// The array of features in an NPZ file [default: x_train, else x].
    #[arg(long, value_name = "NAME")]
    x: Option<String>,
    /// The array of answers in an NPZ file [default: y_train, else y], or the NPY file of answers.
    #[arg(long, value_name = "NAME|FILE.npy")]
    y: Option<String>,
    /// How inputs are prepared: standardize, min-max or none, and normalize for rows of unit length. Fitted on the
    /// training part, and kept in the model [default: standardize for tables, none for arrays and images].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = preparation)]
    preprocess: Vec<Preparation>,
    /// Standardize the targets of a regression while training; predictions come in the targets' own units.
    #[arg(long)]
    scale_target: bool,
    /// Judge the final model on this file, of the same form.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Share of the samples to hold back for judging the final model [default: 0.2 where there is no test part].
    #[arg(long, value_name = "SHARE", value_parser = share, allow_hyphen_values = true)]
    test_fraction: Option<f64>,
    /// What to judge the model on after each epoch: a share of the training samples, or a file of the same form
    /// [default: the test part].
    #[arg(long, value_name = "SHARE|FILE", allow_hyphen_values = true)]
    validation: Option<String>,
    /// Divide without regard to classes [default: each part has its share of every class].
    #[arg(long)]
    no_stratify: bool,
    /// Seed of the division into parts.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = args::whole::<u64>, allow_hyphen_values = true)]
    split_seed: u64,
}

/// What answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TaskName {
    Classification,
    Regression,
}

impl From<TaskName> for Task {
    fn from(name: TaskName) -> Self {
        match name {
            TaskName::Classification => Self::Classification,
            TaskName::Regression => Self::Regression,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MissingName {
    Error,
    Drop,
    Mean,
}

/// A word of `--preprocess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preparation {
    Scale(Scale),
    Normalize,
}

fn preparation(text: &str) -> Result<Preparation, String> {
    match text.replace('_', "-").as_str() {
        "standardize" => Ok(Preparation::Scale(Scale::Standardize)),
        "min-max" | "minmax" => Ok(Preparation::Scale(Scale::MinMax)),
        "none" => Ok(Preparation::Scale(Scale::None)),
        "normalize" => Ok(Preparation::Normalize),
        _ => Err("known are standardize, min-max, normalize and none".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (0.0..1.0).contains(value));
    value.ok_or_else(|| "must be a share of at least 0 and below 1, such as 0.2".to_owned())
}

/// Where the validation part comes from.
enum Validation<'a> {
    Share(f64),
    File(&'a Path),
}

impl TrainDataArgs {
    /// Reads, divides, fits the preprocessing on the training part, and applies it.
    pub fn load(&self) -> Result<Parts> {
        let scales = self.preprocess.iter().filter(|word| matches!(word, Preparation::Scale(_))).count();
        if scales > 1 {
            return Err(Failure::Usage("--preprocess: give one of standardize, min-max and none".to_owned()));
        }
        let parts = self.parts()?;
        self.check_division(&parts.train)?;
        if self.scale_target && parts.train.classes() > 0 {
            let reason = "--scale-target is for a regression, and the answers are classes; leave it out, or give --task \
                          regression";
            return Err(Failure::Usage(reason.to_owned()));
        }
        Ok(parts)
    }

    fn parts(&self) -> Result<Parts> {
        let source = Source::find(&self.dataset, self.format.format()?)?;
        self.check_flags(&source)?;
        match source {
            Source::Images => self.images(),
            Source::Table { table, .. } => self.table(&table),
            Source::Made(data) if self.dataset == "xor" && self.test_fraction.is_none() => {
                // All four rows are needed to learn it, and it is judged on them.
                let parts = self.arrays(RawParts { train: data.into(), validation: None, test: None }, 0.0)?;
                Ok(Parts { test: parts.test.or_else(|| Some(parts.train.clone())), ..parts })
            }
            Source::Made(data) => {
                self.arrays(RawParts { train: data.into(), validation: None, test: None }, DEFAULT_TEST)
            }
            Source::Arrays(x) => {
                let raw = arrays_of(&x, &self.array_spec(0.0)?, self.y.as_deref())?;
                let default = if raw.test.is_some() { 0.0 } else { DEFAULT_TEST };
                self.arrays(raw, default)
            }
        }
    }

    fn check_flags(&self, source: &Source) -> Result<()> {
        let (is_table, is_array) = match source {
            Source::Table { .. } => (true, false),
            Source::Arrays(_) => (false, true),
            Source::Images | Source::Made(_) => (false, false),
        };
        let table = [
            ("--target", !self.target.is_empty()),
            ("--categorical", !self.categorical.is_empty()),
            ("--ordinal", !self.ordinal.is_empty()),
            ("--drop", !self.drop.is_empty()),
            ("--weights-column", self.weights_column.is_some()),
            ("--missing", self.missing != MissingName::Error),
        ];
        let array = [("--x", self.x.is_some()), ("--y", self.y.is_some())];
        let place = [("--data-dir", self.data_dir.is_some())];
        refuse_idle(
            &self.dataset,
            &[
                (is_table, &table, "tables (CSV)"),
                (is_table && self.dataset != "iris", &self.format.given(), "tables (CSV)"),
                (is_array, &array, "NPZ and NPY files"),
                (datasets::KNOWN.contains(&self.dataset.as_str()), &place, IN_DATA_DIR),
            ],
        )
    }

    /// Of samples that are not divided, how to divide them would say nothing.
    fn check_division(&self, data: &Dataset) -> Result<()> {
        let split = data.preprocessing().and_then(|known| known.split);
        let divided = split.is_some_and(|split| split.test > 0.0 || split.validation > 0.0);
        let flags = [("--split-seed", self.split_seed != 0), ("--no-stratify", self.no_stratify)];
        match flags.iter().find(|(_, given)| *given && !divided) {
            Some((flag, _)) => Err(Failure::Usage(format!(
                "{flag} is for dividing the samples, which nothing does here; add --validation SHARE, or leave it out"
            ))),
            None => Ok(()),
        }
    }

    /// Shares of the samples, where parts have no set of their own.
    fn split(&self, default_test: f64) -> Result<Split> {
        let own = self.test.is_some();
        if own && self.test_fraction.is_some() {
            return Err(Failure::Usage("--test and --test-fraction cannot both be".to_owned()));
        }
        let test = self.test_fraction.unwrap_or(if own { 0.0 } else { default_test });
        let validation = match self.validation()? {
            Some(Validation::Share(share)) => share,
            _ => 0.0,
        };
        Ok(Split { test, validation, seed: self.split_seed, stratify: !self.no_stratify })
    }

    fn validation(&self) -> Result<Option<Validation<'_>>> {
        let Some(text) = &self.validation else { return Ok(None) };
        if text.is_empty() {
            return Err(Failure::Usage("--validation is empty; give a share such as 0.1, or a file".to_owned()));
        }
        match text.parse::<f64>() {
            Ok(_) => {
                let share = share(text).map_err(|reason| Failure::Usage(format!("--validation {text} {reason}")))?;
                Ok(Some(Validation::Share(share)))
            }
            Err(_) => Ok(Some(Validation::File(Path::new(text)))),
        }
    }

    fn scale(&self, default: Scale) -> (Scale, bool) {
        let scale = self.preprocess.iter().rev().find_map(|word| match word {
            Preparation::Scale(scale) => Some(*scale),
            Preparation::Normalize => None,
        });
        (scale.unwrap_or(default), self.preprocess.contains(&Preparation::Normalize))
    }

    fn task(&self) -> Option<Task> {
        self.task.map(Into::into)
    }

    fn table(&self, table: &Table) -> Result<Parts> {
        let (scale, normalize) = self.scale(Scale::Standardize);
        let spec = TableSpec {
            targets: self.target.clone(),
            task: self.task(),
            one_hot: self.categorical.clone(),
            ordinal: self.ordinal.clone(),
            drop: self.drop.clone(),
            weights: self.weights_column.clone(),
            missing: match self.missing {
                MissingName::Error => Missing::Error,
                MissingName::Drop => Missing::Drop,
                MissingName::Mean => Missing::Mean,
            },
            scale,
            normalize,
            scale_targets: self.scale_target,
            split: self.split(DEFAULT_TEST)?,
        };
        let format = self.format.format()?;
        let read = |path: &Path| Ok::<_, Failure>(Table::of(&content(path)?, format)?);
        let validation = match self.validation()? {
            Some(Validation::File(path)) => Some(read(path)?),
            _ => None,
        };
        let test = self.test.as_deref().map(read).transpose()?;
        Ok(spec.prepare_with(table, validation.as_ref(), test.as_ref())?)
    }

    fn array_spec(&self, default_test: f64) -> Result<ArraySpec> {
        let (scale, normalize) = self.scale(Scale::None);
        Ok(ArraySpec {
            x: self.x.clone(),
            y: self.y.clone(),
            task: self.task(),
            scale,
            normalize,
            scale_targets: self.scale_target,
            split: self.split(default_test)?,
        })
    }

    fn arrays(&self, mut raw: RawParts, default_test: f64) -> Result<Parts> {
        let spec = self.array_spec(default_test)?;
        let read = |path: &Path| arrays_of(&content(path)?, &spec, None).map(|raw| Some(raw.train));
        if let Some(Validation::File(path)) = self.validation()? {
            raw.validation = read(path)?;
        }
        if let Some(path) = &self.test {
            raw.test = read(path)?;
        }
        Ok(spec.prepare(raw)?)
    }

    /// Images with a test part of their own; nothing is fitted unless that is asked for, so that bytes stay bytes.
    fn images(&self) -> Result<Parts> {
        if self.test.is_some() || self.test_fraction.is_some() {
            let flag = if self.test.is_some() { "--test" } else { "--test-fraction" };
            return Err(Failure::Usage(format!("{flag}: {} has a test part of its own", self.dataset)));
        }
        let parts = datasets::load(&self.dataset, self.data_dir.as_deref())?;
        if !self.preprocess.is_empty() || self.task.is_some() {
            let raw = RawParts { train: parts.train.into(), validation: None, test: Some(parts.test.into()) };
            return self.arrays(raw, 0.0);
        }
        match self.validation()? {
            None => Ok(parts.into()),
            Some(Validation::File(path)) => {
                let reason = format!("--validation {}: for {} give a share, such as 0.1", path.display(), self.dataset);
                Err(Failure::Usage(reason))
            }
            Some(Validation::Share(_)) => {
                let split = self.split(0.0)?;
                let known = Preprocessing { split: Some(split), ..Preprocessing::default() };
                let divided = parts.train.with_preprocessing(known).split(&split)?;
                Ok(Parts { test: Some(parts.test), ..divided })
            }
        }
    }
}
