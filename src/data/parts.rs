//! Datasets in parts: picking samples, and dividing one set into training, validation and test.

use super::dataset::shape;
use super::{Dataset, Features, Preprocessing, Split, Targets};
use crate::{Error, Result};
use ndarray::Axis;
use std::sync::Arc;

/// Training and test samples.
#[derive(Clone, Debug)]
pub struct TrainTest {
    /// Samples to learn from.
    pub train: Dataset,
    /// Samples held back; same inputs and number of classes as `train`.
    pub test: Dataset,
}

impl TrainTest {
    /// Puts two parts together and gives both the larger number of classes, so that a class absent from one still counts.
    ///
    /// # Errors
    /// [`Error::Shape`] when they differ in inputs, in element type, or in the form of their targets.
    pub fn new(mut train: Dataset, mut test: Dataset) -> Result<Self> {
        test.check_kind(&train, "TrainTest::new", "test")?;
        let classes = train.classes.max(test.classes);
        (train.classes, test.classes) = (classes, classes);
        Ok(Self { train, test })
    }
}

/// Training, validation and test samples.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Samples to learn from.
    pub train: Dataset,
    /// Samples to validate on after each epoch.
    pub validation: Option<Dataset>,
    /// Samples to test the final model on.
    pub test: Option<Dataset>,
}

impl From<TrainTest> for Parts {
    fn from(parts: TrainTest) -> Self {
        Self { train: parts.train, validation: None, test: Some(parts.test) }
    }
}

impl Dataset {
    /// These samples, in this order. The number of classes stays, even if some have no sample left.
    ///
    /// # Errors
    /// [`Error::Spec`] for no sample, one that there is not, and where the samples that are left all have weight 0.
    pub fn subset(&self, rows: &[usize]) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row >= self.len()) {
            return Err(Error::spec("samples", format!("{} has no sample {row}, only {}", self.name, self.len())));
        }
        if rows.is_empty() {
            return Err(Error::spec("samples", format!("none of the {} of {} is left", self.len(), self.name)));
        }
        let features = match &*self.features {
            Features::U8(x) => Features::U8(x.select(Axis(0), rows)),
            Features::F32(x) => Features::F32(x.select(Axis(0), rows)),
        };
        let targets = match &*self.targets {
            Targets::Classes(labels) => Targets::Classes(rows.iter().map(|row| labels[*row]).collect()),
            Targets::Values(y) => Targets::Values(y.select(Axis(0), rows)),
        };
        let weights = self.weights.as_ref().map(|weights| rows.iter().map(|row| weights[*row]).collect());
        let (name, classes, preprocessing) = (self.name.clone(), self.classes, self.preprocessing.clone());
        let (features, targets) = (features.into(), targets.into());
        let part = Self { name, features, targets, weights: None, classes, preprocessing };
        match weights {
            Some(weights) => part.with_weights(weights),
            None => Ok(part),
        }
    }

    /// Divides the samples, by class where the split says so.
    ///
    /// Nothing is fitted here: the samples are as they are. [`TableSpec`](super::TableSpec) and
    /// [`ArraySpec`](super::ArraySpec) divide raw rows, and fit preprocessing on the training part alone.
    ///
    /// # Errors
    /// As [`Split::divide`].
    pub fn split(&self, split: &Split) -> Result<Parts> {
        let labels = match &*self.targets {
            Targets::Classes(labels) => Some(&labels[..]),
            Targets::Values(_) => None,
        };
        let rows = split.divide(self.len(), labels)?;
        let part = |rows: &[usize]| if rows.is_empty() { Ok(None) } else { self.subset(rows).map(Some) };
        Ok(Parts { train: self.subset(&rows.train)?, validation: part(&rows.validation)?, test: part(&rows.test)? })
    }

    /// The same samples with at least so many classes: some may have no sample here.
    #[must_use]
    pub fn with_classes(self, classes: usize) -> Self {
        Self { classes: self.classes.max(classes), ..self }
    }

    /// The same samples, saying how they came from raw rows: models trained on them keep it in their files.
    #[must_use]
    pub fn with_preprocessing(self, preprocessing: impl Into<Arc<Preprocessing>>) -> Self {
        Self { preprocessing: Some(preprocessing.into()), ..self }
    }

    pub(crate) fn shared_preprocessing(&self) -> Option<Arc<Preprocessing>> {
        self.preprocessing.clone()
    }

    /// How the features came from raw rows, and what the targets are called.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.preprocessing.as_deref()
    }

    /// Checks that it is of the kind that `training` is, so that one plan can take both.
    ///
    /// # Errors
    /// [`Error::Shape`] where they differ in inputs, in element type, or in the form of their targets.
    pub(crate) fn check_kind(&self, training: &Self, operation: &'static str, called: &str) -> Result<()> {
        if self.kind() == training.kind() {
            return Ok(());
        }
        let wanted = format!("{}, as in the training part", describe(training));
        Err(shape(operation, called, wanted, describe(self)))
    }

    /// (I, bytes an element, O or 0 for classes): what two parts of one dataset have in common.
    fn kind(&self) -> (usize, usize, usize) {
        let outputs = match &*self.targets {
            Targets::Classes(_) => 0,
            Targets::Values(y) => y.ncols(),
        };
        (self.inputs(), self.features.element_bytes(), outputs)
    }
}

fn describe(data: &Dataset) -> String {
    let (inputs, bytes, outputs) = data.kind();
    let element = if bytes == 1 { "u8" } else { "f32" };
    match outputs {
        0 => format!("(N, {inputs}) {element} with class labels"),
        _ => format!("(N, {inputs}) {element} with (N, {outputs}) values"),
    }
}
