//! Adadelta.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder, check_decay, check_epsilon};
use super::{Hyper, Optimizer};
use crate::error::Result;
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Decay rate of both means of squares.
    pub rho: f64,
    /// Added to both means of squares before their roots are taken.
    pub epsilon: f32,
}

/// Adadelta: s = rho s + (1 - rho) g²; d = sqrt(u + epsilon) / sqrt(s + epsilon) g; u = rho u + (1 - rho) d²;
/// w = w - learning_rate d. Weight decay is coupled: g = g + lambda w. Defaults: rho 0.9, epsilon 1e-6.
///
/// Semantics: PyTorch's `torch.optim.Adadelta`. Source: Zeiler, arXiv:1212.5701, 2012.
#[derive(Clone, Copy, Debug)]
pub struct Adadelta(OptimizerSpec);

impl Adadelta {
    /// With this learning rate; PyTorch's default is 1.
    pub fn new(learning_rate: f64) -> Self {
        let rule = Rule { rho: 0.9, epsilon: 1e-6 };
        Self(OptimizerSpec::new(Optimizer::Adadelta(rule), learning_rate))
    }

    /// Decay rate of both means of squares.
    #[must_use]
    pub fn rho(mut self, rho: f64) -> Self {
        if let Optimizer::Adadelta(rule) = &mut self.0.optimizer {
            rule.rho = rho;
        }
        self
    }
}

builder!(Adadelta);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = None;

    fn slots(self) -> usize {
        2
    }

    fn squares(self) -> [bool; SLOTS] {
        [true, true, false]
    }

    fn constants(self) -> Constants {
        Constants::squares(self.rho, self.epsilon)
    }

    fn validate(self, _: f64) -> Result<()> {
        check_decay("rho", self.rho)?;
        check_epsilon(self.epsilon)
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("adadelta", Adadelta::new(1.0).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [square, steps, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let (kept, new) = (T::real(constants.beta_2), T::real(constants.beta_2_complement));
        let epsilon = T::real(constants.epsilon);
        let square = (kept * square + new * (gradient * gradient)).flushed();
        let step = (steps + epsilon).sqrt().over((square + epsilon).sqrt(), epsilon.sqrt()) * gradient;
        let steps = (kept * steps + new * (step * step)).flushed();
        (value - T::real(hyper.learning_rate) * step, [square, steps, c])
    }
}
