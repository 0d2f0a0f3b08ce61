//! AdaGrad.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder, check_epsilon};
use super::{Hyper, Optimizer};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How fast the learning rate falls by itself: it is divided by 1 + (t - 1) times this.
    pub rate_decay: f64,
    /// What sums of squares start from.
    pub initial: f32,
    /// Added to the root of the sum of squares.
    pub epsilon: f32,
}

/// AdaGrad: s = s + g²; w = w - learning_rate / (1 + (t - 1) rate_decay) * g / (sqrt(s) + epsilon). Weight decay is
/// coupled: g = g + lambda w. Defaults: rate decay 0, sums that start from 0, epsilon 1e-10.
///
/// Semantics: PyTorch's `torch.optim.Adagrad`. Source: Duchi, Hazan and Singer, JMLR 12, 2011.
#[derive(Clone, Copy, Debug)]
pub struct Adagrad(OptimizerSpec);

impl Adagrad {
    /// With this learning rate; PyTorch's default is 0.01.
    pub fn new(learning_rate: f64) -> Self {
        let rule = Rule { rate_decay: 0.0, initial: 0.0, epsilon: 1e-10 };
        Self(OptimizerSpec::new(Optimizer::Adagrad(rule), learning_rate))
    }

    /// Other numbers of its own.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.0.optimizer = Optimizer::Adagrad(rule);
        self
    }
}

builder!(Adagrad);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = None;

    fn slots(self) -> usize {
        1
    }

    fn squares(self) -> [bool; SLOTS] {
        [true, false, false]
    }

    fn constants(self) -> Constants {
        Constants { epsilon: self.epsilon, ..Constants::NONE }
    }

    fn corrections(self, rate: f64, _: f64, number: u32) -> [f64; 3] {
        let steps_before = f64::from(number.saturating_sub(1));
        let initial = if number <= 1 { f64::from(self.initial) } else { 0.0 };
        [rate / (1.0 + steps_before * self.rate_decay), initial, 1.0]
    }

    fn validate(self, _: f64) -> Result<()> {
        check_epsilon(self.epsilon)?;
        let numbers = [("rate decay", self.rate_decay), ("initial sum of squares", f64::from(self.initial))];
        match numbers.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            Some((field, value)) => Err(Error::spec(*field, format!("must be at least 0, got {value}"))),
            None => Ok(()),
        }
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("adagrad", Adagrad::new(0.01).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [sum, b, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let sum = (sum + T::real(hyper.correction_y) + gradient * gradient).flushed();
        let epsilon = T::real(constants.epsilon);
        let step = gradient.over(sum.sqrt() + epsilon, epsilon);
        (value - T::real(hyper.correction_x) * step, [sum, b, c])
    }
}
