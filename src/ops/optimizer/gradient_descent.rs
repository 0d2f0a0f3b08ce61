//! Gradient descent.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder};
use super::{Hyper, Optimizer};
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// It has no numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {}

/// Gradient descent on the whole training set: w = w - learning_rate g. Each step takes all samples, so that the batch
/// must be as large as the training set; it keeps nothing between steps. Weight decay is coupled: g = g + lambda w.
///
/// Semantics: PyTorch's `torch.optim.SGD` without momentum. Source: Cauchy, Comptes rendus 25, 1847.
#[derive(Clone, Copy, Debug)]
pub struct GradientDescent(OptimizerSpec);

impl GradientDescent {
    /// With this learning rate.
    pub fn new(learning_rate: f64) -> Self {
        Self(OptimizerSpec::new(Optimizer::GradientDescent(Rule {}), learning_rate))
    }
}

builder!(GradientDescent);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = None;

    fn slots(self) -> usize {
        0
    }

    fn full_batch(self) -> bool {
        true
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("gradient-descent", GradientDescent::new(0.1).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        _: &Constants,
        value: T,
        state: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        (value - T::real(hyper.learning_rate) * gradient, state)
    }
}
