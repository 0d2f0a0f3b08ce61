//! Samples with their targets, checked once when they are put together, so that training need not check again.

use super::features::{c_order, first_rows};
use super::{Features, Preprocessing};
use crate::tensor::MAX_WIDTH;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};
use std::sync::Arc;

/// What a model should answer: one entry a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// (N,) class indices, each below [`Dataset::classes`].
    Classes(Vec<u32>),
    /// (N, O) finite numbers.
    Values(Array2<f32>),
}

impl Targets {
    /// N, the number of targets.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Values(y) => y.nrows(),
        }
    }

    /// True without a single target.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn first(&self, n: usize) -> Self {
        match self {
            Self::Classes(labels) => Self::Classes(labels.iter().take(n).copied().collect()),
            Self::Values(y) => Self::Values(first_rows(y, n)),
        }
    }
}

/// N samples, each with its target. Never empty, never with a NaN or an infinity, always in C order. Clones share the
/// samples.
///
/// ```
/// use wgrad::data::Dataset;
/// let x = ndarray::arr2(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let xor = Dataset::classification(x.view(), &[0, 1, 1, 0])?;
/// assert_eq!((xor.len(), xor.inputs(), xor.classes()), (4, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset {
    pub(super) name: String,
    pub(super) features: Arc<Features>,     // (N, I)
    pub(super) targets: Arc<Targets>,       // (N,) or (N, O)
    pub(super) weights: Option<Arc<[f32]>>, // (N,)
    pub(super) classes: usize,
    /// How the features came from raw rows, where that is known.
    pub(super) preprocessing: Option<Arc<Preprocessing>>,
}

impl Dataset {
    /// Images (N, I) with their labels (N,), taken over without a copy.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are no images, no pixels, or not one label an image.
    pub fn from_images(name: impl Into<String>, images: Array2<u8>, labels: Vec<u32>) -> Result<Self> {
        const OPERATION: &str = "from_images";
        check_not_empty(OPERATION, "images", images.dim())?;
        check_labels(OPERATION, images.nrows(), &labels)?;
        let images = if images.is_standard_layout() { images } else { c_order(images.view()) };
        Ok(Self::labelled(name.into(), Features::U8(images), labels))
    }

    /// Feature rows `x` (N, I) with the class of each (N,); classes count from 0.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are no rows, no columns, or not one label a row; [`Error::Spec`] for a number that is
    /// not finite.
    pub fn classification(x: ArrayView2<f32>, labels: &[u32]) -> Result<Self> {
        const OPERATION: &str = "classification";
        check_not_empty(OPERATION, "x", x.dim())?;
        check_labels(OPERATION, x.nrows(), labels)?;
        check_finite("x", x)?;
        Ok(Self::labelled(OPERATION.into(), Features::F32(c_order(x)), labels.to_vec()))
    }

    /// Images `x` (N, I) of bytes with the class of each (N,); classes count from 0.
    ///
    /// # Errors
    /// As [`Dataset::from_images`].
    pub fn image_classification(x: ArrayView2<u8>, labels: &[u32]) -> Result<Self> {
        const OPERATION: &str = "image_classification";
        check_not_empty(OPERATION, "x", x.dim())?;
        check_labels(OPERATION, x.nrows(), labels)?;
        Ok(Self::labelled(OPERATION.into(), Features::U8(c_order(x)), labels.to_vec()))
    }

    /// Feature rows `x` (N, I) with the values `y` (N, O) that a model should answer.
    ///
    /// # Errors
    /// [`Error::Shape`] when either has no rows or no columns, or their rows differ in number; [`Error::Spec`] for a number
    /// that is not finite.
    pub fn regression(x: ArrayView2<f32>, y: ArrayView2<f32>) -> Result<Self> {
        const OPERATION: &str = "regression";
        check_not_empty(OPERATION, "x", x.dim())?;
        if y.nrows() != x.nrows() || y.ncols() == 0 {
            let wanted = format!("({}, O) with O at least 1, one row for each row of x", x.nrows());
            return Err(shape(OPERATION, "y", wanted, format!("{:?}", y.dim())));
        }
        check_finite("x", x)?;
        check_finite("y", y)?;
        let (features, targets) = (Features::F32(c_order(x)).into(), Targets::Values(c_order(y)).into());
        Ok(Self { name: OPERATION.into(), features, targets, weights: None, classes: 0, preprocessing: None })
    }

    /// Images (N, I) of bytes with the values `y` (N, O) that a model should answer, taken over without a copy.
    ///
    /// # Errors
    /// As [`Dataset::regression`].
    pub fn image_regression(images: Array2<u8>, y: Array2<f32>) -> Result<Self> {
        const OPERATION: &str = "image_regression";
        check_not_empty(OPERATION, "images", images.dim())?;
        let checked = Self::regression(Array2::zeros((images.nrows(), 1)).view(), y.view())?;
        let images = if images.is_standard_layout() { images } else { c_order(images.view()) };
        Ok(Self { name: OPERATION.into(), features: Features::U8(images).into(), ..checked })
    }

    /// The same samples under another name, which reports then show.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The same samples, each counting `weights` (N,) times in the mean loss: `sum(weight * loss) / sum(weight)` over the
    /// batch. Accuracy and the other metrics count samples, whatever their weights.
    ///
    /// ```
    /// # use wgrad::data::Dataset;
    /// # let x = ndarray::arr2(&[[0.0], [1.0], [2.0]]);
    /// let data = Dataset::classification(x.view(), &[0, 1, 1])?.with_weights(vec![1.0, 0.5, 2.0])?;
    /// assert_eq!(data.weights(), Some(&[1.0, 0.5, 2.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when there is not one weight a sample; [`Error::Spec`] for a weight that is negative or not
    /// finite, and when all of them are zero.
    pub fn with_weights(self, weights: Vec<f32>) -> Result<Self> {
        if weights.len() != self.len() {
            let wanted = format!("({},), one weight for each sample", self.len());
            return Err(shape("with_weights", "weights", wanted, format!("({},)", weights.len())));
        }
        if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let reason = format!("row {row} (from 0) is {}; every weight must be finite and at least 0", weights[row]);
            return Err(Error::spec("weights", reason));
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(Error::spec("weights", "all are 0, so that no sample counts; give some a weight above 0"));
        }
        Ok(Self { weights: Some(weights.into()), ..self })
    }

    /// (N,) weights, unless all samples count the same.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Class weights with which every class counts the same: N / (C count), (C), and 0 for a class without samples
    /// (scikit-learn's `class_weight="balanced"`). C is 2 at least.
    ///
    /// # Errors
    /// [`Error::Spec`] for a dataset without classes.
    pub fn balanced_class_weights(&self) -> Result<Vec<f32>> {
        let Targets::Classes(labels) = &*self.targets else {
            return Err(Error::spec("class weights", format!("{} has values as targets, not classes", self.name)));
        };
        let mut counts = vec![0usize; self.classes.max(2)];
        labels.iter().for_each(|label| counts[*label as usize] += 1);
        let whole = labels.len() as f64 / counts.len() as f64;
        let weight = |count: &usize| if *count == 0 { 0.0 } else { (whole / *count as f64) as f32 };
        Ok(counts.iter().map(weight).collect())
    }

    /// The name that reports show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// (N, I).
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// (N,) classes or (N, O) values.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// N, the number of samples.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Always false: no constructor makes an empty dataset.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// I, the number of inputs a sample has.
    pub fn inputs(&self) -> usize {
        self.features.inputs()
    }

    /// The number of classes, which is the highest label plus one; 0 for [`Targets::Values`].
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// A copy of the first `n` samples. The number of classes stays, even if some have no sample left.
    ///
    /// # Errors
    /// [`Error::Spec`] when `n` is 0 or more than there are, or when the samples that are left all have weight 0.
    pub fn take(&self, n: usize) -> Result<Self> {
        if n == 0 || n > self.len() {
            let reason = format!("cannot take {n} of the {0} samples of {1}; use 1 to {0}", self.len(), self.name);
            return Err(Error::spec("samples", reason));
        }
        let part = Self {
            name: self.name.clone(),
            features: self.features.first(n).into(),
            targets: self.targets.first(n).into(),
            weights: None,
            classes: self.classes,
            preprocessing: self.preprocessing.clone(),
        };
        match &self.weights {
            Some(weights) => part.with_weights(weights[..n].to_vec()),
            None => Ok(part),
        }
    }

    fn labelled(name: String, features: Features, labels: Vec<u32>) -> Self {
        let classes = labels.iter().max().map_or(0, |&top| (top as usize).saturating_add(1));
        let (features, targets) = (features.into(), Targets::Classes(labels).into());
        Self { name, features, targets, weights: None, classes, preprocessing: None }
    }
}

pub(super) fn shape(operation: &'static str, tensor: &str, wanted: impl Into<String>, got: String) -> Error {
    Error::Shape { operation, tensor: tensor.into(), wanted: wanted.into(), got }
}

fn check_not_empty(operation: &'static str, tensor: &str, dim: (usize, usize)) -> Result<()> {
    match dim {
        (0, _) | (_, 0) => Err(shape(operation, tensor, "(N, I) with N and I at least 1", format!("{dim:?}"))),
        _ => Ok(()),
    }
}

fn check_labels(operation: &'static str, rows: usize, labels: &[u32]) -> Result<()> {
    if labels.len() != rows {
        let wanted = format!("({rows},), one label for each row");
        return Err(shape(operation, "labels", wanted, format!("({},)", labels.len())));
    }
    match labels.iter().position(|label| *label as usize >= MAX_WIDTH) {
        // Such as -1 that became a u32: it would count as billions of classes.
        Some(row) => {
            let reason =
                format!("row {row} (from 0) is of class {}; classes count from 0, to {}", labels[row], MAX_WIDTH - 1);
            Err(Error::spec("labels", reason))
        }
        None => Ok(()),
    }
}

fn check_finite(field: &str, x: ArrayView2<f32>) -> Result<()> {
    match first_non_finite(x) {
        None => Ok(()),
        Some((row, column, value)) => {
            let reason = format!("row {row}, column {column} (both from 0) is {value}; every number must be finite");
            Err(Error::spec(field, reason))
        }
    }
}

/// The first NaN or infinity in `x` (N, I), as (row, column, value), both counted from 0.
pub(crate) fn first_non_finite(x: ArrayView2<f32>) -> Option<(usize, usize, f32)> {
    x.indexed_iter().find(|(_, value)| !value.is_finite()).map(|((row, column), &value)| (row, column, value))
}
