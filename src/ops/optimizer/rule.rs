//! What an optimizer is made of.

use super::Hyper;
use crate::error::{Error, Result};
use crate::ops::optimizer::OptimizerSpec;
use crate::scalar::Scalar;

/// Numbers that an optimizer may keep per parameter, at most.
pub(crate) const SLOTS: usize = 3;

/// What all parameters share, in f32 as every device gets it: WGSL's constants of these names, in capitals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Constants {
    /// How much of the mean of squares stays a step: beta 2, RMSprop's alpha, Adadelta's rho.
    pub beta_2: f32,
    /// 1 - beta 2, rounded once from f64.
    pub beta_2_complement: f32,
    pub epsilon: f32,
    /// SGD: whether the step looks ahead along the velocity.
    pub nesterov: bool,
    /// RMSprop: whether squares are taken around a mean.
    pub centered: bool,
    /// RMSprop: whether steps have momentum.
    pub heavy_ball: bool,
}

impl Constants {
    /// None of them.
    pub const NONE: Self =
        Self { beta_2: 0.0, beta_2_complement: 1.0, epsilon: 0.0, nesterov: false, centered: false, heavy_ball: false };

    /// Those of a mean of squares.
    pub fn squares(beta2: f64, epsilon: f32) -> Self {
        Self { beta_2: beta2 as f32, beta_2_complement: complement(beta2), epsilon, ..Self::NONE }
    }

    /// Those that are not as in [`Constants::NONE`], which is what WGSL has unless told otherwise, by their names there.
    pub fn named(self, decoupled: bool) -> Vec<(&'static str, f64)> {
        let all = self.all(decoupled).into_iter().zip(Self::NONE.all(false));
        all.filter(|(own, none)| own != none).map(|(own, _)| own).collect()
    }

    fn all(self, decoupled: bool) -> [(&'static str, f64); 7] {
        let flag = |flag| f64::from(u8::from(flag));
        [
            ("BETA_2", f64::from(self.beta_2)),
            ("BETA_2_COMPLEMENT", f64::from(self.beta_2_complement)),
            ("EPSILON", f64::from(self.epsilon)),
            ("NESTEROV", flag(self.nesterov)),
            ("CENTERED", flag(self.centered)),
            ("HEAVY_BALL", flag(self.heavy_ball)),
            ("DECOUPLED", flag(decoupled)),
        ]
    }
}

/// An update rule: its memory, its formula, and what the host computes for it once a step.
pub(crate) trait Rule: Copy {
    /// What a replica's momentum means to it, if anything.
    const MOMENTUM: Option<&'static str>;

    /// Numbers that it keeps per parameter.
    fn slots(self) -> usize;
    /// Which of them are sums or means of squares, never negative.
    fn squares(self) -> [bool; SLOTS] {
        [false; SLOTS]
    }
    /// Whether weight decay shrinks the weight itself, by the factor 1 - learning_rate * lambda, and is not part of the
    /// gradient.
    fn decoupled(self) -> bool {
        false
    }
    /// Whether a step takes all samples.
    fn full_batch(self) -> bool {
        false
    }
    /// What all parameters share.
    fn constants(self) -> Constants {
        Constants::NONE
    }
    /// `correction_x`, `_y` and `_z` of [`Hyper`] at optimizer step `number`, t from 1, rounded to f32 once.
    fn corrections(self, rate: f64, _momentum: f64, _number: u32) -> [f64; 3] {
        [rate, 1.0, 1.0]
    }
    /// Checks its own numbers, with a replica's momentum.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field.
    fn validate(self, _momentum: f64) -> Result<()> {
        Ok(())
    }
    /// The names under which it is known, each with its defaults.
    fn presets() -> Vec<(&'static str, OptimizerSpec)>;
    /// A parameter and its state after a step, from those before it and a gradient that has all penalties in it.
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        state: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]);
}

/// 1 - value, in f64 before it is rounded.
pub(super) fn complement(value: f64) -> f32 {
    (1.0 - value) as f32
}

/// 1, -1 or 0, as `value` is above, below or equal to zero.
#[inline(always)]
pub(super) fn sign<T: Scalar>(value: T) -> T {
    let zero = T::zero();
    value.if_above(zero, T::one(), (-value).if_above(zero, -T::one(), zero))
}

/// A decay rate.
pub(super) fn check_decay(field: &str, value: f64) -> Result<()> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::spec(field, format!("must be at least 0 and below 1, got {value}"))),
    }
}

/// What keeps a divisor from zero.
pub(super) fn check_epsilon(value: f32) -> Result<()> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(Error::spec("epsilon", format!("must be above 0, got {value}"))),
    }
}

/// What builders of all optimizers have in common.
macro_rules! builder {
    ($name:ident) => {
        impl $name {
            /// With weight decay lambda; each optimizer says whether it is part of the gradient (coupled, L2) or
            /// shrinks the weight itself (decoupled).
            #[must_use]
            pub fn weight_decay(mut self, weight_decay: f64) -> Self {
                self.0.weight_decay = weight_decay;
                self
            }

            /// With L1: `l1 * sign(w)` is added to the gradient, sign(0) being 0. With coupled weight decay too it is an
            /// elastic net.
            #[must_use]
            pub fn l1(mut self, l1: f64) -> Self {
                self.0.l1 = l1;
                self
            }

            /// With a learning rate that changes.
            #[must_use]
            pub fn schedule(mut self, schedule: $crate::schedule::Schedule) -> Self {
                self.0.schedule = schedule;
                self
            }
        }

        impl From<$name> for $crate::ops::optimizer::OptimizerSpec {
            fn from(builder: $name) -> Self {
                builder.0
            }
        }
    };
}
pub(super) use builder;
