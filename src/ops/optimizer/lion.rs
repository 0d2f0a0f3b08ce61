//! Lion.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder, check_decay, sign};
use super::{Hyper, Optimizer};
use crate::error::Result;
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Decay rate of the mean gradient that is kept.
    pub beta2: f64,
}

/// Lion: w = (1 - learning_rate lambda) w - learning_rate sign(beta1 m + (1 - beta1) g), then
/// m = beta2 m + (1 - beta2) g. Weight decay is decoupled. Beta 1 is each replica's momentum.
/// Defaults: betas 0.9 and 0.99, lambda 0.
///
/// Semantics: the authors' own program for PyTorch (google/automl, lion/lion_pytorch.py); PyTorch 2.15 has none.
/// Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.
#[derive(Clone, Copy, Debug)]
pub struct Lion(OptimizerSpec);

impl Lion {
    /// With this learning rate; the authors' default is 1e-4, a tenth to a third of what suits Adam.
    pub fn new(learning_rate: f64) -> Self {
        let spec = OptimizerSpec::new(Optimizer::Lion(Rule { beta2: 0.99 }), learning_rate);
        Self(OptimizerSpec { momentum: 0.9, ..spec })
    }

    /// Decay rates of the mean that is stepped along and of the one that is kept.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.0.optimizer = Optimizer::Lion(Rule { beta2 });
        self.0.momentum = beta1;
        self
    }
}

builder!(Lion);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = Some("beta 1");

    fn slots(self) -> usize {
        1
    }

    fn decoupled(self) -> bool {
        true
    }

    fn constants(self) -> Constants {
        Constants::squares(self.beta2, 0.0)
    }

    fn validate(self, _: f64) -> Result<()> {
        check_decay("beta2", self.beta2)
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("lion", Lion::new(1e-4).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [mean, b, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let direction = T::real(hyper.momentum) * mean + T::real(hyper.momentum_complement) * gradient;
        let mean = T::real(constants.beta_2) * mean + T::real(constants.beta_2_complement) * gradient;
        (value - T::real(hyper.learning_rate) * sign(direction), [mean.flushed(), b, c])
    }
}
