//! Stochastic gradient descent, with momentum or without.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder};
use super::{Hyper, Optimizer};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whether the step looks ahead along the velocity.
    pub nesterov: bool,
}

/// Stochastic gradient descent: v = momentum v + g; w = w - learning_rate v, or with Nesterov
/// w = w - learning_rate (g + momentum v). Weight decay is coupled: g = g + lambda w. Defaults: momentum 0.
///
/// Semantics: PyTorch's `torch.optim.SGD`, dampening 0. Sources: Robbins and Monro, 1951; Polyak, 1964; Sutskever et
/// al., ICML 2013, in PyTorch's form.
#[derive(Clone, Copy, Debug)]
pub struct Sgd(OptimizerSpec);

impl Sgd {
    /// With this learning rate, and no momentum.
    pub fn new(learning_rate: f64) -> Self {
        Self(OptimizerSpec::new(Optimizer::Sgd(Rule { nesterov: false }), learning_rate))
    }

    /// With momentum.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.0.momentum = momentum;
        self
    }

    /// Looks ahead: w = w - learning_rate (g + momentum v).
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        self.0.optimizer = Optimizer::Sgd(Rule { nesterov: true });
        self
    }
}

builder!(Sgd);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = Some("momentum");

    fn slots(self) -> usize {
        1
    }

    fn constants(self) -> Constants {
        Constants { nesterov: self.nesterov, ..Constants::NONE }
    }

    fn validate(self, momentum: f64) -> Result<()> {
        match self.nesterov && momentum == 0.0 {
            true => Err(Error::spec("momentum", "Nesterov needs a momentum above 0")),
            false => Ok(()),
        }
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![
            ("sgd", Sgd::new(0.1).into()),
            ("momentum", Sgd::new(0.1).momentum(0.9).into()),
            ("nesterov", Sgd::new(0.1).momentum(0.9).nesterov().into()),
        ]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [velocity, b, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let momentum = T::real(hyper.momentum);
        let velocity = (momentum * velocity + gradient).flushed();
        let direction = if constants.nesterov { gradient + momentum * velocity } else { velocity };
        (value - T::real(hyper.learning_rate) * direction, [velocity, b, c])
    }
}
