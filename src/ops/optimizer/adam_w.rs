//! AdamW.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder};
use super::{Hyper, Optimizer, adam};
use crate::error::Result;
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f32,
}

/// Adam with decoupled weight decay: w = (1 - learning_rate lambda) w, then Adam's step with a gradient that has no decay
/// in it. Beta 1 is each replica's momentum. Defaults: betas 0.9 and 0.999, epsilon 1e-8, lambda 0.01.
///
/// Semantics: PyTorch's `torch.optim.AdamW`. Source: Loshchilov and Hutter, ICLR 2019.
#[derive(Clone, Copy, Debug)]
pub struct AdamW(OptimizerSpec);

impl AdamW {
    /// With this learning rate, and a weight decay of 0.01; PyTorch's default rate is 0.001.
    pub fn new(learning_rate: f64) -> Self {
        let spec = OptimizerSpec::new(Optimizer::AdamW(Rule { beta2: 0.999, epsilon: 1e-8 }), learning_rate);
        Self(OptimizerSpec { momentum: 0.9, weight_decay: 0.01, ..spec })
    }

    /// Decay rates of the first and second moment.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        if let Optimizer::AdamW(rule) = &mut self.0.optimizer {
            rule.beta2 = beta2;
        }
        self.0.momentum = beta1;
        self
    }
}

builder!(AdamW);

impl Rule {
    fn adam(self) -> adam::Rule {
        adam::Rule { beta2: self.beta2, epsilon: self.epsilon }
    }
}

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = adam::Rule::MOMENTUM;

    fn slots(self) -> usize {
        self.adam().slots()
    }

    fn squares(self) -> [bool; SLOTS] {
        self.adam().squares()
    }

    fn decoupled(self) -> bool {
        true
    }

    fn constants(self) -> Constants {
        self.adam().constants()
    }

    fn corrections(self, rate: f64, momentum: f64, number: u32) -> [f64; 3] {
        self.adam().corrections(rate, momentum, number)
    }

    fn validate(self, momentum: f64) -> Result<()> {
        self.adam().validate(momentum)
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("adamw", AdamW::new(1e-3).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        state: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        adam::Rule::updated(constants, value, state, gradient, hyper)
    }
}
