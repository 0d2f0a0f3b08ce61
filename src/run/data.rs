use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source::{Source, content, raw_arrays};
use crate::data::{
    ArraySpec, Missing, Parts, Preprocessing, RawParts, Scale, Split, Table, TableFormat, TableSpec, Task, datasets,
};
use crate::error::{Error, Result};

/// The share that is held back where a set has no test part of its own.
const DEFAULT_TEST: f64 = 0.2;

/// The source of the samples, and how they are read, preprocessed and split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSpec {
    /// A built-in set, a generated one (`make-moons:samples=500`), a CSV, NPZ or NPY file, `-` for standard input, or a
    /// directory with four IDX files.
    pub source: String,
    /// Directory of the built-in sets, if not the one that came with wgrad.
    pub directory: Option<PathBuf>,
    /// How tables are written.
    pub format: TableFormat,
    /// Target columns of a table; by default the last.
    pub targets: Vec<String>,
    /// Kind of targets; detected by default.
    pub task: Option<Task>,
    /// Categorical columns, one-hot encoded.
    pub one_hot: Vec<String>,
    /// Categorical columns encoded as an index.
    pub ordinal: Vec<String>,
    /// Columns that are not read.
    pub drop: Vec<String>,
    /// The column of sample weights.
    pub weights: Option<String>,
    /// The treatment of missing values.
    pub missing: Missing,
    /// The array of features in an NPZ file.
    pub x: Option<String>,
    /// The array of targets in an NPZ file, or an NPY file of targets.
    pub y: Option<String>,
    /// Scaling of inputs; by default tables are standardized and other inputs unchanged.
    pub scale: Option<Scale>,
    /// Whether each row is then divided by its length.
    pub normalize: bool,
    /// Whether the targets of a regression are standardized while training.
    pub scale_targets: bool,
    /// The test part; by default the set's own, else a fifth of the samples.
    pub test: Option<Portion>,
    /// The validation part, evaluated after each epoch; by default the test part.
    pub validation: Option<Portion>,
    /// Whether each part has its share of every class.
    pub stratify: bool,
    /// Seed of the division into parts.
    pub split_seed: u64,
    /// Train on the first so many samples only.
    pub limit: Option<usize>,
}

/// Samples of a part: a share of those that are there, or a file of their own, of the same form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Portion {
    /// At least 0, below 1.
    Share(f64),
    /// Its path.
    File(PathBuf),
}

impl Portion {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Share(_) => None,
            Self::File(path) => Some(path),
        }
    }

    fn share(&self) -> f64 {
        match self {
            Self::Share(share) => *share,
            Self::File(_) => 0.0,
        }
    }
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            source: String::new(),
            directory: None,
            format: TableFormat::default(),
            targets: Vec::new(),
            task: None,
            one_hot: Vec::new(),
            ordinal: Vec::new(),
            drop: Vec::new(),
            weights: None,
            missing: Missing::default(),
            x: None,
            y: None,
            scale: None,
            normalize: false,
            scale_targets: false,
            test: None,
            validation: None,
            stratify: true,
            split_seed: 0,
            limit: None,
        }
    }
}

impl DataSpec {
    /// A set by name or path, all else as it is usual.
    pub fn named(source: impl Into<String>) -> Self {
        Self { source: source.into(), ..Self::default() }
    }

    /// Reads, divides, fits the preprocessing on the training part, and applies it; of the training part the first samples,
    /// where there is a limit.
    ///
    /// # Errors
    /// As [`Source::find`] and [`DataSpec::parts`].
    pub fn load(&self) -> Result<Parts> {
        self.parts(self.find()?)
    }

    /// Resolves [`DataSpec::source`].
    ///
    /// # Errors
    /// As [`Source::find`].
    pub fn find(&self) -> Result<Source> {
        Source::find(&self.source, self.format)
    }

    /// [`DataSpec::load`], of what was found.
    ///
    /// # Errors
    /// [`Error::Spec`] for what does not go together; [`Error::Data`] for samples that cannot be taken; what reading gives.
    pub fn parts(&self, source: Source) -> Result<Parts> {
        let parts = match source {
            Source::Images => self.images()?,
            Source::Table { table, .. } => self.table(&table)?,
            Source::Made(data) if self.source == "xor" && !matches!(self.test, Some(Portion::Share(_))) => {
                // All four rows are needed to learn it, and to test it.
                let parts = self.arrays(RawParts { train: data.into(), validation: None, test: None }, 0.0)?;
                Parts { test: parts.test.or_else(|| Some(parts.train.clone())), ..parts }
            }
            Source::Made(data) => {
                self.arrays(RawParts { train: data.into(), validation: None, test: None }, DEFAULT_TEST)?
            }
            Source::Arrays(x) => {
                let raw = raw_arrays(&x, &self.array_spec(0.0), self.y.as_deref())?;
                let default = if raw.test.is_some() { 0.0 } else { DEFAULT_TEST };
                self.arrays(raw, default)?
            }
        };
        if self.scale_targets && parts.train.classes() > 0 {
            return Err(Error::spec("scale targets", "is for regression, but the targets are classes"));
        }
        match self.limit {
            Some(limit) if limit > parts.train.len() => {
                let (had, name) = (parts.train.len(), parts.train.name());
                Err(Error::spec("limit", format!("{limit} is more than the {had} training samples of {name}")))
            }
            Some(limit) => Ok(Parts { train: parts.train.take(limit)?, ..parts }),
            None => Ok(parts),
        }
    }

    /// Shares of the samples, where parts have no set of their own.
    fn split(&self, default_test: f64) -> Split {
        let test = self.test.as_ref().map_or(default_test, Portion::share);
        let validation = self.validation.as_ref().map_or(0.0, Portion::share);
        Split { test, validation, seed: self.split_seed, stratify: self.stratify }
    }

    fn table(&self, table: &Table) -> Result<Parts> {
        let spec = TableSpec {
            targets: self.targets.clone(),
            task: self.task,
            one_hot: self.one_hot.clone(),
            ordinal: self.ordinal.clone(),
            drop: self.drop.clone(),
            weights: self.weights.clone(),
            missing: self.missing,
            scale: self.scale.unwrap_or(Scale::Standardize),
            normalize: self.normalize,
            scale_targets: self.scale_targets,
            split: self.split(DEFAULT_TEST),
        };
        let read = |portion: &Option<Portion>| {
            let path = portion.as_ref().and_then(Portion::file);
            path.map(|path| Table::of(&content(path)?, self.format)).transpose()
        };
        let (validation, test) = (read(&self.validation)?, read(&self.test)?);
        spec.prepare_with(table, validation.as_ref(), test.as_ref())
    }

    fn array_spec(&self, default_test: f64) -> ArraySpec {
        ArraySpec {
            x: self.x.clone(),
            y: self.y.clone(),
            task: self.task,
            scale: self.scale.unwrap_or(Scale::None),
            normalize: self.normalize,
            scale_targets: self.scale_targets,
            split: self.split(default_test),
        }
    }

    fn arrays(&self, mut raw: RawParts, default_test: f64) -> Result<Parts> {
        let spec = self.array_spec(default_test);
        let read = |path: &Path| raw_arrays(&content(path)?, &spec, None).map(|raw| Some(raw.train));
        if let Some(path) = self.validation.as_ref().and_then(Portion::file) {
            raw.validation = read(path)?;
        }
        if let Some(path) = self.test.as_ref().and_then(Portion::file) {
            raw.test = read(path)?;
        }
        spec.prepare(raw)
    }

    /// Images with a test part of their own; nothing is fitted unless requested, so that bytes stay bytes.
    fn images(&self) -> Result<Parts> {
        if self.test.is_some() {
            return Err(Error::spec("test", format!("{} has a test part of its own", self.source)));
        }
        let parts = datasets::load(&self.source, self.directory.as_deref())?;
        if self.scale.is_some() || self.normalize || self.task.is_some() {
            let raw = RawParts { train: parts.train.into(), validation: None, test: Some(parts.test.into()) };
            return self.arrays(raw, 0.0);
        }
        match &self.validation {
            None => Ok(parts.into()),
            Some(Portion::File(path)) => {
                let reason = format!("{}: for {} give a share, such as 0.1", path.display(), self.source);
                Err(Error::spec("validation", reason))
            }
            Some(Portion::Share(_)) => {
                let split = self.split(0.0);
                let known = Preprocessing { split: Some(split), ..Preprocessing::default() };
                let divided = parts.train.with_preprocessing(known).split(&split)?;
                Ok(Parts { test: Some(parts.test), ..divided })
            }
        }
    }
}
