//! What turns raw rows into a model's inputs, fitted once on the training part and kept in the model file.

mod apply;
mod fit;
mod given;

use crate::data::split::Split;
use serde::{Deserialize, Serialize};

pub(super) use fit::{ColumnPlan, Kind, fit_columns, fit_numbers, fit_targets};

/// How numbers are brought to one scale, each column by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Not at all.
    #[default]
    None,
    /// To mean 0 and standard deviation 1 over the training rows: (x - mean) / deviation, with the population's
    /// deviation (divided by N) as in scikit-learn's `StandardScaler`. A constant column becomes 0.
    Standardize,
    /// Training rows to [0, 1]: (x - least) / (largest - least), as in scikit-learn's `MinMaxScaler`. A constant column
    /// becomes 0.
    MinMax,
}

/// What to do about cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Refuse them.
    #[default]
    Error,
    /// Leave their rows out. A row that is to be predicted cannot be left out: it is refused.
    Drop,
    /// Put the training part's mean in their place; in a column of categories the most frequent one.
    Mean,
}

/// How a raw row becomes a model's inputs, and what the outputs stand for.
///
/// Everything in it was fitted on training rows alone. It is plain data and lies in the model file, so that `predict`
/// and `eval` take raw rows. A trainer takes inputs that are prepared, and predicts in the targets' standardized units:
///
/// ```
/// use wgrad::data::{Scale, Table, TableFormat, TableSpec, Task};
/// use wgrad::{Activation::*, Adam, Loss::*, Sequential, Trainer, epochs};
///
/// let table = |text: &str| Table::parse("flats.csv", text.as_bytes(), TableFormat::default());
/// let flats = table("area,town,rent\n50,Ulm,600\n80,Jena,700\n70,Ulm,800\n60,Jena,550\n")?;
/// let (one_hot, scale, task) = (vec!["town".to_owned()], Scale::Standardize, Some(Task::Regression));
/// let parts = TableSpec { one_hot, scale, task, scale_targets: true, ..TableSpec::default() }.prepare(&flats)?;
/// let model = Sequential::new(parts.train.inputs()).dense(8, Tanh).dense(1, Linear);
/// let mut trainer = Trainer::new(model, MeanSquaredError, Adam::new(0.01)).batch_size(4).build()?;
/// trainer.fit(&parts.train, epochs(200), &mut ())?;
///
/// let known = trainer.preprocessing().cloned().unwrap_or_default();
/// let inputs = known.encode(&table("town,area\nUlm,65\n")?, &[0])?; // columns are found by name
/// let mut rents = trainer.predict(inputs)?;
/// known.restore(&mut rents);
/// assert!((600.0..900.0).contains(&rents[(0, 0)]), "{rents}");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// The raw columns that are read, in the order of the inputs they become. None: rows are taken as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// Columns of the table that it was fitted on, those not read included.
    #[serde(default)]
    pub width: usize,
    /// Whether each row is then divided by its Euclidean length, as by scikit-learn's `Normalizer`.
    #[serde(default)]
    pub normalize: bool,
    /// What rows without a value meet in training.
    #[serde(default)]
    pub missing: Missing,
    /// For classes: their names, in the order of the outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The columns of the answers: one for classes, one an output for values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// The column of sample weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Source>,
    /// How the samples were divided, so that `eval` finds the same parts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// A column of the raw table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, or its number from 1 where there was no header.
    pub name: String,
    /// Its place, from 0.
    pub index: usize,
}

/// One raw column and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Where it stands.
    #[serde(flatten)]
    pub source: Source,
    /// What becomes of it.
    pub encoding: Encoding,
}

/// What becomes of a raw column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One input: (x - shift) * scale.
    Number {
        /// Taken off first: the mean, the least, or 0.
        shift: f64,
        /// What is left is multiplied by this.
        scale: f64,
        /// What stands in for a missing value, before shift and scale.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missing: Option<f64>,
    },
    /// An input for each category: 1 where it is this one, else 0.
    OneHot {
        /// The categories, in the order of the inputs.
        categories: Vec<String>,
        /// Which of them stands in for a missing value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missing: Option<usize>,
    },
    /// One input: (k - shift) * scale for category k, from 0.
    Ordinal {
        /// The categories in their order.
        categories: Vec<String>,
        /// Taken off first.
        shift: f64,
        /// What is left is multiplied by this.
        scale: f64,
        /// Which of them stands in for a missing value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missing: Option<usize>,
    },
}

impl Encoding {
    /// Inputs that it makes.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Number { .. } | Self::Ordinal { .. } => 1,
            Self::OneHot { categories, .. } => categories.len(),
        }
    }
}

/// A column of answers. For values the model learns (y - shift) * scale; predictions are scaled back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Where it stands.
    #[serde(flatten)]
    pub source: Source,
    /// The training part's mean, or 0.
    pub shift: f64,
    /// One over the training part's deviation, or 1.
    pub scale: f64,
}

impl Preprocessing {
    /// Inputs that a row becomes; None where rows are taken as they are.
    pub fn inputs(&self) -> Option<usize> {
        (!self.columns.is_empty()).then(|| self.columns.iter().map(|column| column.encoding.inputs()).sum())
    }

    /// Whether the answers are values, not classes.
    pub fn is_regression(&self) -> bool {
        self.classes.is_empty() && !self.targets.is_empty()
    }

    /// The name of a class; its number where it has none.
    pub fn class_name(&self, class: usize) -> String {
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Checks that it makes as many inputs and outputs as a model has.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn check(&self, inputs: usize, outputs: usize) -> Result<(), String> {
        if let Some(made) = self.inputs().filter(|made| *made != inputs) {
            return Err(format!("its preprocessing makes {made} inputs, but the model takes {inputs}"));
        }
        if self.is_regression() && self.targets.len() != outputs {
            return Err(format!(
                "its preprocessing has {} targets, but the model {outputs} outputs",
                self.targets.len()
            ));
        }
        if self.classes.len() > outputs.max(2) {
            return Err(format!(
                "its preprocessing has {} classes, but the model {outputs} outputs",
                self.classes.len()
            ));
        }
        let stands_in = |column: &Column| match &column.encoding {
            Encoding::Number { .. } => true,
            Encoding::OneHot { categories, missing } | Encoding::Ordinal { categories, missing, .. } => {
                missing.is_none_or(|category| category < categories.len())
            }
        };
        if let Some(column) = self.columns.iter().find(|column| !stands_in(column)) {
            let name = &column.source.name;
            return Err(format!("its preprocessing fills gaps in `{name}` with a category that is not there"));
        }
        let numbers = self.columns.iter().flat_map(|column| match column.encoding {
            Encoding::Number { shift, scale, missing } => [shift, scale, missing.unwrap_or(0.0)],
            Encoding::Ordinal { shift, scale, .. } => [shift, scale, 0.0],
            Encoding::OneHot { .. } => [0.0; 3],
        });
        let targets = self.targets.iter().flat_map(|target| [target.shift, 1.0 / target.scale]);
        match numbers.chain(targets).all(f64::is_finite) {
            true => Ok(()),
            false => Err("its preprocessing has a number that is not finite".to_owned()),
        }
    }
}
