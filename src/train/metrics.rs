//! Metrics beyond the loss, from the device's counts and sums.

use ndarray::Array2;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::non_finite::number;

/// Metrics beyond the loss, as far as loss and targets define them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// For classes: labels, probabilities, or a single binary output. None if the confusion matrices of all replicas exceed
    /// 16 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// For regression losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regression: Option<Regression>,
}

impl Metrics {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.classification.is_none() && self.regression.is_none()
    }
}

/// Classification metrics, unweighted. Ratios with a denominator of 0 are 0, as in scikit-learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// (C, C): confusion matrix, true classes by predicted ones.
    #[serde(serialize_with = "rows", deserialize_with = "matrix")]
    pub confusion: Array2<u64>,
    /// (C): histogram of the true class's rank among the outputs; of equal outputs the first ranks first.
    pub ranks: Vec<u64>,
    /// Area under the ROC curve, of two classes: the probability that a sample of class 1 scores above one of class 0, ties
    /// counting half. The score is the output, or the second minus the first. None without samples of both classes, if a
    /// score is NaN, and for more samples than fit one buffer of the device or than 16 million.
    pub roc_auc: Option<f64>,
}

/// Precision, recall and F1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Correct predictions over all predictions of the class.
    pub precision: f64,
    /// Correct predictions over all samples of the class.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
}

impl Rates {
    /// From counts of true positives, predictions and samples.
    fn of(right: u64, predicted: u64, real: u64) -> Self {
        let f1 = share(2 * right, predicted + real);
        Self { precision: share(right, predicted), recall: share(right, real), f1 }
    }
}

impl Classification {
    /// C.
    pub fn classes(&self) -> usize {
        self.confusion.nrows()
    }

    /// N.
    pub fn samples(&self) -> u64 {
        self.confusion.sum()
    }

    /// Accuracy: the fraction of samples whose class was predicted.
    pub fn accuracy(&self) -> f64 {
        share(self.confusion.diag().sum(), self.samples())
    }

    /// Top-k accuracy: the fraction of samples whose class is among the `k` largest outputs.
    pub fn top_k(&self, k: usize) -> f64 {
        share(self.ranks.iter().take(k).sum(), self.samples())
    }

    /// Samples of a class.
    pub fn support(&self, class: usize) -> u64 {
        self.confusion.row(class).sum()
    }

    /// One class against all others.
    pub fn of_class(&self, class: usize) -> Rates {
        Rates::of(self.confusion[[class, class]], self.confusion.column(class).sum(), self.support(class))
    }

    /// Macro average: the mean over the classes that occur in targets or predictions.
    pub fn macro_average(&self) -> Rates {
        let occurs = |class: &usize| self.support(*class) + self.confusion.column(*class).sum() > 0;
        let rates: Vec<_> = (0..self.classes()).filter(occurs).map(|class| self.of_class(class)).collect();
        let mean = |value: fn(&Rates) -> f64| rates.iter().map(value).sum::<f64>() / rates.len().max(1) as f64;
        Rates { precision: mean(|r| r.precision), recall: mean(|r| r.recall), f1: mean(|r| r.f1) }
    }

    /// Micro average: from the sums of all classes' counts; with one class per sample all three equal the accuracy.
    pub fn micro_average(&self) -> Rates {
        let right = self.confusion.diag().sum();
        Rates::of(right, self.samples(), self.samples())
    }
}

/// Regression metrics, unweighted: means over the outputs, as scikit-learn's `uniform_average`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Mean absolute error.
    #[serde(deserialize_with = "number")]
    pub mae: f64,
    /// Root of the mean squared error.
    #[serde(deserialize_with = "number")]
    pub rmse: f64,
    /// R², the explained fraction of the targets' variance: 1 - sum (a - y)² / sum (y - mean y)². For constant targets, 1 for
    /// an exact model and else 0.
    #[serde(deserialize_with = "number")]
    pub r2: f64,
    /// The metrics of each output.
    pub outputs: Vec<Deviation>,
}

/// [`Regression`] of one output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// Mean absolute error.
    #[serde(deserialize_with = "number")]
    pub mae: f64,
    /// Root of the mean squared error.
    #[serde(deserialize_with = "number")]
    pub rmse: f64,
    /// R², the explained fraction of the targets' variance.
    #[serde(deserialize_with = "number")]
    pub r2: f64,
}

impl Regression {
    /// From each output's sums of |a - y| and (a - y)², and of (y - mean y)², over this many samples.
    pub(super) fn of(sums: &[[f64; 2]], spreads: &[f64], samples: usize) -> Self {
        let outputs = sums.iter().zip(spreads).map(|([absolute, squared], spread)| Deviation {
            mae: absolute / samples as f64,
            rmse: (squared / samples as f64).sqrt(),
            r2: match (*spread == 0.0, *squared == 0.0) {
                (false, _) => 1.0 - squared / spread,
                (true, hit) => f64::from(u8::from(hit)),
            },
        });
        let outputs: Vec<_> = outputs.collect();
        let mean = |value: fn(&Deviation) -> f64| outputs.iter().map(value).sum::<f64>() / outputs.len() as f64;
        Self { mae: mean(|o| o.mae), rmse: mean(|o| o.rmse), r2: mean(|o| o.r2), outputs }
    }
}

/// Each column's sum of (y - mean y)², in two passes, so that no large sums cancel.
pub(super) fn spreads(values: &Array2<f32>) -> Vec<f64> {
    let spread = |column: ndarray::ArrayView1<'_, f32>| {
        let mean = column.iter().copied().map(f64::from).sum::<f64>() / column.len() as f64;
        column.iter().map(|y| (f64::from(*y) - mean).powi(2)).sum()
    };
    values.columns().into_iter().map(spread).collect()
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn rows<S: Serializer>(matrix: &Array2<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(matrix.outer_iter().map(|row| row.to_vec()))
}

fn matrix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<u64>, D::Error> {
    let rows = Vec::<Vec<u64>>::deserialize(deserializer)?;
    let shape = (rows.len(), rows.first().map_or(0, Vec::len));
    Array2::from_shape_vec(shape, rows.concat()).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_far_from_zero_keep_their_spread() {
        let values = Array2::from_shape_fn((4, 1), |(n, _)| 1e6 + n as f32);
        assert_eq!(spreads(&values), [5.0]);
        let flat = Regression::of(&[[0.0, 0.0], [2.0, 4.0]], &[0.0, 0.0], 2);
        assert_eq!((flat.outputs[0].r2, flat.outputs[1].r2), (1.0, 0.0));
    }
}
