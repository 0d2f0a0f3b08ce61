//! Dividing samples into training, validation and test parts: seeded, and stratified by class.

use crate::hint::Hint;
use crate::random::{Purpose, Stream};
use crate::{Error, Result};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How samples are divided. The same split of as many samples with the same classes gives the same parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Share of the samples to test the final model on.
    #[serde(default)]
    pub test: f64,
    /// Share of the samples to validate the model on while it trains.
    #[serde(default)]
    pub validation: f64,
    /// Draws who goes where.
    #[serde(default)]
    pub seed: u64,
    /// Whether each part gets its share of every class.
    #[serde(default)]
    pub stratify: bool,
}

impl Default for Split {
    fn default() -> Self {
        Self { test: 0.0, validation: 0.0, seed: 0, stratify: true }
    }
}

/// Indices of samples, each part in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitRows {
    /// To learn from; never empty.
    pub train: Vec<usize>,
    /// Empty where no share was asked for.
    pub validation: Vec<usize>,
    /// Empty where no share was asked for.
    pub test: Vec<usize>,
}

impl Split {
    /// Divides samples 0 to `len`; `labels` are their classes, by which it stratifies.
    ///
    /// A part gets its share of `len` rounded up, as in scikit-learn, and with strata each class gives its share of that
    /// by largest remainders, but at least one sample of each stays in training.
    ///
    /// ```
    /// use wgrad::data::Split;
    /// let labels: Vec<u32> = (0..150).map(|n| n / 50).collect();
    /// let parts = Split { test: 0.2, ..Split::default() }.divide(150, Some(&labels))?;
    /// let of_class = |class| parts.test.iter().filter(|n| labels[**n] == class).count();
    /// assert_eq!((parts.train.len(), of_class(0), of_class(1), of_class(2)), (120, 10, 10, 10));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Spec`] for a share outside [0, 1), and for a part that would be empty.
    pub fn divide(&self, len: usize, labels: Option<&[u32]>) -> Result<SplitRows> {
        for (field, share) in [("test fraction", self.test), ("validation fraction", self.validation)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::spec(field, format!("must be at least 0 and below 1, got {share}")));
            }
        }
        let (test, validation) = (part(self.test, len), part(self.validation, len));
        if test + validation >= len {
            let reason = format!(
                "{test} of {len} samples for the test and {validation} for the validation leave none for training"
            );
            return Err(Error::spec("split", format!("{reason}; use smaller fractions or more samples")));
        }
        let mut order: Vec<usize> = (0..len).collect();
        order.shuffle(&mut Stream::new(self.seed, Purpose::Split, 0));
        let strata = labels.filter(|labels| self.stratify && labels.len() == len);
        let (test, rest) = self.draw("test fraction", order, test, strata)?;
        let (validation, rest) = self.draw("validation fraction", rest, validation, strata)?;
        let sorted = |mut rows: Vec<usize>| {
            rows.sort_unstable();
            rows
        };
        Ok(SplitRows { train: sorted(rest), validation: sorted(validation), test: sorted(test) })
    }

    /// Takes `count` of the samples, by strata where there are some; gives them and the rest.
    fn draw(
        &self,
        field: &str,
        order: Vec<usize>,
        count: usize,
        strata: Option<&[u32]>,
    ) -> Result<(Vec<usize>, Vec<usize>)> {
        let Some(labels) = strata.filter(|_| count > 0) else {
            let mut order = order;
            let rest = order.split_off(count);
            return Ok((order, rest));
        };
        let mut quotas = quotas(&order, count, labels);
        if quotas.values().sum::<usize>() < count {
            let classes = quotas.values().filter(|quota| **quota == 0).count();
            let reason =
                format!("{count} samples cannot be taken by classes: {classes} classes have no sample to spare");
            return Err(Error::spec(field, reason).hinting(Hint::Stratify));
        }
        Ok(order.into_iter().partition(|sample| {
            let Some(quota) = quotas.get_mut(&labels[*sample]).filter(|quota| **quota > 0) else { return false };
            *quota -= 1;
            true
        }))
    }
}

/// Samples of a share: rounded up, but a share that is there gets at least one, as `ceil` does.
fn part(share: f64, len: usize) -> usize {
    // 0.1 * 150 is 15.000000000000002 in binary: what the user means is 15.
    (share * len as f64 - 1e-9 * len as f64).ceil().max(0.0) as usize
}

/// How many samples each class that is there gives: its share of `count` rounded down, the rest by largest remainders,
/// ties to the smaller class number; one sample of each class at least stays.
fn quotas(order: &[usize], count: usize, labels: &[u32]) -> BTreeMap<u32, usize> {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    order.iter().for_each(|sample| *sizes.entry(labels[*sample]).or_default() += 1);
    let share = |class: &u32| sizes[class] as f64 * count as f64 / order.len() as f64;
    let spare = |class: &u32| sizes[class].saturating_sub(1);
    let mut quotas: BTreeMap<u32, usize> =
        sizes.keys().map(|class| (*class, (share(class) as usize).min(spare(class)))).collect();
    let mut by_remainder: Vec<u32> = sizes.keys().copied().collect();
    by_remainder.sort_by(|a, b| share(b).fract().total_cmp(&share(a).fract()).then(a.cmp(b)));
    let mut left = count.saturating_sub(quotas.values().sum::<usize>());
    // Classes with nothing to spare pass their turn on, so that more than one round may be needed.
    while left > 0 {
        let before = left;
        for class in &by_remainder {
            let quota = quotas.entry(*class).or_default();
            if left > 0 && *quota < spare(class) {
                *quota += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    quotas
}
