//! The arguments of `wgrad train` for the dataset and its parts.

use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::{Args, ValueEnum};
use wgrad::data::{Missing, Parts, Scale, Task};
use wgrad::run::{DataSpec, Portion, Source};
use wgrad::{Dataset, datasets};

use super::source::{IN_DATA_DIR, RowFormat, check_answers, check_piped, refuse_idle};
use crate::failure::in_flags;
use crate::{Failure, Result, args};

/// The dataset.
#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct TrainDataArgs {
    /// A built-in set (mnist, fashion-mnist, iris, xor, line, make-moons, make-regression, make-classification; generated
    /// ones take options, as in make-moons:samples=500,noise=0.1), a CSV, NPZ or NPY file, gzipped or not, - for standard
    /// input, or a directory with four IDX files.
    #[arg(value_name = "DATASET", help_heading = Resettable::Reset)]
    pub dataset: String,
    /// Directory of the built-in datasets [default: $WGRAD_DATA, else the one that came with wgrad].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Target columns of a table, by name or number (from 1, or -1 for the last) [default: the last].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    target: Vec<String>,
    /// Kind of targets [default: classification for words, and for integers with at most 20 distinct values in a table; else
    /// regression]. Regression minimizes the mean squared error.
    #[arg(long, value_enum, value_name = "classification|regression", hide_possible_values = true)]
    task: Option<TaskName>,
    /// Categorical columns, one-hot encoded.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    categorical: Vec<String>,
    /// Categorical columns encoded as an index, sorted, or in a given order: size=small:medium:large.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    ordinal: Vec<String>,
    /// Columns to ignore.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    drop: Vec<String>,
    /// Column with each sample's weight in the loss.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    weights_column: Option<String>,
    /// Missing values (empty, NA, NaN, null, none or ?): an error, drop their rows, or substitute the training part's mean
    /// (for categories the most frequent one).
    #[arg(long, value_enum, value_name = "error|drop|mean", default_value_t = MissingName::Error,
          hide_possible_values = true)]
    missing: MissingName,
    #[command(flatten)]
    format: RowFormat,
    /// The array of features in an NPZ file [default: x_train, else x].
    #[arg(long, value_name = "NAME")]
    x: Option<String>,
    /// The array of targets in an NPZ file [default: y_train, else y], or an NPY file of targets.
    #[arg(long, value_name = "NAME|FILE.npy")]
    y: Option<String>,
    /// Preprocessing of inputs: standardize, min-max or none, and normalize for rows of unit length. Fitted on the training
    /// part and stored in the model [default: standardize for tables, none for arrays and images].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = preparation)]
    preprocess: Vec<Preparation>,
    /// Standardize regression targets for training; predictions are in original units.
    #[arg(long)]
    scale_target: bool,
    /// Evaluate the final model on this file of the same format.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Fraction of the samples to hold out for the final evaluation [default: 0.2 if there is no test part].
    #[arg(long, value_name = "SHARE", value_parser = share, allow_hyphen_values = true)]
    test_fraction: Option<f64>,
    /// Validate after each epoch on this fraction of the training samples, or on a file of the same format
    /// [default: the test part].
    #[arg(long, value_name = "SHARE|FILE", allow_hyphen_values = true)]
    validation: Option<String>,
    /// Split without stratification by class.
    #[arg(long)]
    no_stratify: bool,
    /// Seed of the split into parts.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = args::whole::<u64>, allow_hyphen_values = true)]
    split_seed: u64,
}

/// Kind of targets.
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

impl TrainDataArgs {
    /// Where samples come from, and how they are read, prepared and divided.
    pub fn spec(&self) -> Result<DataSpec> {
        let scales = self.preprocess.iter().filter_map(|word| match word {
            Preparation::Scale(scale) => Some(*scale),
            Preparation::Normalize => None,
        });
        let scales: Vec<Scale> = scales.collect();
        if scales.len() > 1 {
            return Err(Failure::Usage("--preprocess: give one of standardize, min-max and none".to_owned()));
        }
        let test = match (&self.test, self.test_fraction) {
            (Some(_), Some(_)) => {
                return Err(Failure::Usage("--test and --test-fraction exclude each other".to_owned()));
            }
            (Some(path), None) => Some(Portion::File(path.clone())),
            (None, share) => share.map(Portion::Share),
        };
        Ok(DataSpec {
            source: self.dataset.clone(),
            directory: self.data_dir.clone(),
            format: self.format.format()?,
            targets: self.target.clone(),
            task: self.task.map(Into::into),
            one_hot: self.categorical.clone(),
            ordinal: self.ordinal.clone(),
            drop: self.drop.clone(),
            weights: self.weights_column.clone(),
            missing: match self.missing {
                MissingName::Error => Missing::Error,
                MissingName::Drop => Missing::Drop,
                MissingName::Mean => Missing::Mean,
            },
            x: self.x.clone(),
            y: self.y.clone(),
            scale: scales.first().copied(),
            normalize: self.preprocess.contains(&Preparation::Normalize),
            scale_targets: self.scale_target,
            test,
            validation: self.validation()?,
            stratify: !self.no_stratify,
            split_seed: self.split_seed,
            limit: None,
        })
    }

    /// Reads and splits the samples, fits the preprocessing on the training part, and applies it.
    pub fn load(&self, spec: &DataSpec) -> Result<Parts> {
        let validation = match &spec.validation {
            Some(Portion::File(path)) => Some(path.as_path()),
            _ => None,
        };
        [Some(Path::new(&self.dataset)), self.test.as_deref(), validation]
            .into_iter()
            .flatten()
            .try_for_each(check_piped)?;
        let source = spec.find()?;
        self.check_flags(&source)?;
        let parts = spec.parts(source).map_err(in_flags)?;
        self.check_division(&parts.train)?;
        Ok(parts)
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
        )?;
        let test = [("--test", self.test.is_some()), ("--test-fraction", self.test_fraction.is_some())];
        match (source, test.iter().find(|(_, given)| *given)) {
            (Source::Images, Some((flag, _))) => {
                Err(Failure::Usage(format!("{flag}: {} has a test part of its own", self.dataset)))
            }
            (Source::Arrays(x), _) => check_answers(x, self.y.as_deref()),
            _ => Ok(()),
        }
    }

    /// Rejects flags for a split if the samples are not split.
    fn check_division(&self, data: &Dataset) -> Result<()> {
        let split = data.preprocessing().and_then(|known| known.split);
        let divided = split.is_some_and(|split| split.test > 0.0 || split.validation > 0.0);
        let flags = [("--split-seed", self.split_seed != 0), ("--no-stratify", self.no_stratify)];
        match flags.iter().find(|(_, given)| *given && !divided) {
            Some((flag, _)) => Err(Failure::Usage(format!(
                "{flag} is for a split, but the samples are not split; add --validation SHARE, or leave it out"
            ))),
            None => Ok(()),
        }
    }

    fn validation(&self) -> Result<Option<Portion>> {
        let Some(text) = &self.validation else { return Ok(None) };
        if text.is_empty() {
            return Err(Failure::Usage("--validation is empty; give a share such as 0.1, or a file".to_owned()));
        }
        match text.parse::<f64>() {
            Ok(_) => {
                let share = share(text).map_err(|reason| Failure::Usage(format!("--validation {text} {reason}")))?;
                Ok(Some(Portion::Share(share)))
            }
            Err(_) => Ok(Some(Portion::File(PathBuf::from(text)))),
        }
    }
}
