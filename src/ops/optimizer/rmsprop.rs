//! RMSprop.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder, check_decay, check_epsilon};
use super::{Hyper, Optimizer};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Decay rate of the mean of squares; Keras calls it rho.
    pub alpha: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f32,
    /// Whether squares are taken around the mean gradient.
    pub centered: bool,
    /// Whether there is room for momentum. Without it a replica's must be 0.
    pub momentum: bool,
}

/// RMSprop: s = alpha s + (1 - alpha) g²; centered: m = alpha m + (1 - alpha) g and d = sqrt(s - m²) + epsilon, else
/// d = sqrt(s) + epsilon; w = w - learning_rate g / d, or with momentum b = momentum b + g / d and
/// w = w - learning_rate b. Weight decay is coupled: g = g + lambda w.
/// Defaults: alpha 0.99 (Keras has 0.9), epsilon 1e-8, not centered, momentum 0.
///
/// Semantics: PyTorch's `torch.optim.RMSprop`; where s - m² rounds below 0, which is NaN there, it is taken for 0.
/// Sources: Tieleman and Hinton, Coursera lecture 6.5, 2012; centered: Graves, arXiv:1308.0850, 2013.
#[derive(Clone, Copy, Debug)]
pub struct Rmsprop(OptimizerSpec);

impl Rmsprop {
    /// With this learning rate; PyTorch's default is 0.01.
    pub fn new(learning_rate: f64) -> Self {
        let rule = Rule { alpha: 0.99, epsilon: 1e-8, centered: false, momentum: false };
        Self(OptimizerSpec::new(Optimizer::Rmsprop(rule), learning_rate))
    }

    /// Decay rate of the mean of squares.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        self.with(|rule| rule.alpha = alpha)
    }

    /// What is added to the root of the mean of squares.
    #[must_use]
    pub fn epsilon(self, epsilon: f32) -> Self {
        self.with(|rule| rule.epsilon = epsilon)
    }

    /// Squares are taken around the mean gradient.
    #[must_use]
    pub fn centered(self) -> Self {
        self.with(|rule| rule.centered = true)
    }

    /// With momentum.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.0.momentum = momentum;
        self.with(|rule| rule.momentum = true)
    }

    fn with(mut self, change: impl Fn(&mut Rule)) -> Self {
        if let Optimizer::Rmsprop(rule) = &mut self.0.optimizer {
            change(rule);
        }
        self
    }
}

builder!(Rmsprop);

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = Some("momentum");

    fn slots(self) -> usize {
        1 + usize::from(self.centered) + usize::from(self.momentum)
    }

    fn squares(self) -> [bool; SLOTS] {
        [true, false, false]
    }

    fn constants(self) -> Constants {
        let Self { alpha, epsilon, centered, momentum } = self;
        Constants { centered, heavy_ball: momentum, ..Constants::squares(alpha, epsilon) }
    }

    fn validate(self, momentum: f64) -> Result<()> {
        check_decay("alpha", self.alpha)?;
        check_epsilon(self.epsilon)?;
        match momentum != 0.0 && !self.momentum {
            true => Err(Error::spec("momentum", "this RMSprop has no room for it; make it with `momentum: true`")),
            false => Ok(()),
        }
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![
            ("rmsprop", Rmsprop::new(0.01).into()),
            ("rmsprop-momentum", Rmsprop::new(0.01).momentum(0.9).into()),
            ("rmsprop-centered", Rmsprop::new(0.01).centered().into()),
            ("rmsprop-centered-momentum", Rmsprop::new(0.01).centered().momentum(0.9).into()),
        ]
    }

    /// The state is the mean of squares, then the mean if it is centered, then the momentum's buffer if it has one.
    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [square, b, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let Constants { centered, heavy_ball, .. } = *constants;
        let (kept, new) = (T::real(constants.beta_2), T::real(constants.beta_2_complement));
        let square = (kept * square + new * (gradient * gradient)).flushed();
        let mean = if centered { (b + new * (gradient - b)).flushed() } else { T::zero() };
        let variance = if centered { (square - mean * mean).max(T::zero()) } else { square };
        let epsilon = T::real(constants.epsilon);
        let step = gradient.over(variance.sqrt() + epsilon, epsilon);
        let buffer = if centered { c } else { b };
        let step = if heavy_ball { (T::real(hyper.momentum) * buffer + step).flushed() } else { step };
        let state = if centered { [square, mean, step] } else { [square, step, c] };
        (value - T::real(hyper.learning_rate) * step, state)
    }
}
