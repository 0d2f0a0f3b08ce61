//! Adam.

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
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f32,
}

/// Adam: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²;
/// w = w - learning_rate / c1 * m / (sqrt(v) / c2 + epsilon), with c1 = 1 - beta1^t and c2 = sqrt(1 - beta2^t).
/// Weight decay is coupled: g = g + lambda w. Beta 1 is each replica's momentum.
/// Defaults: betas 0.9 and 0.999, epsilon 1e-8.
///
/// Semantics: PyTorch's `torch.optim.Adam`. Source: Kingma and Ba, ICLR 2015.
#[derive(Clone, Copy, Debug)]
pub struct Adam(OptimizerSpec);

impl Adam {
    /// With this learning rate; PyTorch's default is 0.001.
    pub fn new(learning_rate: f64) -> Self {
        let rule = Rule { beta2: 0.999, epsilon: 1e-8 };
        Self(OptimizerSpec { momentum: 0.9, ..OptimizerSpec::new(Optimizer::Adam(rule), learning_rate) })
    }

    /// Decay rates of the first and second moment.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        if let Optimizer::Adam(rule) = &mut self.0.optimizer {
            rule.beta2 = beta2;
        }
        self.0.momentum = beta1;
        self
    }
}

builder!(Adam);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = Some("beta 1");

    fn slots(self) -> usize {
        2
    }

    fn squares(self) -> [bool; SLOTS] {
        [false, true, false]
    }

    fn constants(self) -> Constants {
        Constants::squares(self.beta2, self.epsilon)
    }

    /// learning_rate / c1 and 1 / c2, each as the factor that it comes to.
    fn corrections(self, rate: f64, momentum: f64, number: u32) -> [f64; 3] {
        [rate / corrected(momentum, number), 1.0 / corrected(self.beta2, number).sqrt(), 1.0]
    }

    fn validate(self, _: f64) -> Result<()> {
        check_decay("beta2", self.beta2)?;
        check_epsilon(self.epsilon)
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("adam", Adam::new(1e-3).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [first, second, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let [first, second] = moments(constants, [first, second], gradient, hyper);
        let epsilon = T::real(constants.epsilon);
        let scale = second.sqrt() * T::real(hyper.correction_y) + epsilon;
        (value - T::real(hyper.correction_x) * first.over(scale, epsilon), [first, second, c])
    }
}

/// 1 - beta^t: how much of a mean that started from 0 has come together.
pub(super) fn corrected(beta: f64, number: u32) -> f64 {
    1.0 - beta.powf(f64::from(number))
}

/// The means of gradients and of their squares, after one more.
#[inline(always)]
pub(super) fn moments<T: Scalar>(
    constants: &Constants,
    [first, second]: [T; 2],
    gradient: T,
    hyper: &Hyper,
) -> [T; 2] {
    let first = T::real(hyper.momentum) * first + T::real(hyper.momentum_complement) * gradient;
    let kept = T::real(constants.beta_2) * second;
    let second = kept + T::real(constants.beta_2_complement) * (gradient * gradient);
    [first.flushed(), second.flushed()]
}
