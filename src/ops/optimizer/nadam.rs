//! Nadam.

use serde::{Deserialize, Serialize};

use super::rule::{Constants, SLOTS, builder, check_decay, check_epsilon};
use super::{Hyper, Optimizer, adam};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::ops::optimizer::OptimizerSpec;

/// How slowly the momentum rises to beta 1: its share that is missing is half of this to the power of t times
/// `momentum_decay`. Source: Dozat's report, and PyTorch.
const MOMENTUM_BASE: f64 = 0.96;
/// A product of momenta below this is 0 beside 1 in f64.
const NEGLIGIBLE: f64 = 1e-18;

/// What all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// psi: how fast the momentum rises to beta 1.
    pub momentum_decay: f64,
    /// Whether weight decay shrinks the weight itself.
    pub decoupled: bool,
}

/// Nadam: Adam with Nesterov momentum. mu_t = beta1 (1 - 0.96^(t psi) / 2); m and v as Adam's;
/// w = w - learning_rate ((1 - mu_t) / (1 - Π mu) g + mu_(t+1) / (1 - Π mu mu_(t+1)) m) / (sqrt(v / (1 - beta2^t)) + epsilon),
/// with Π mu over the steps 1 to t. Beta 1 is each replica's momentum. Weight decay is coupled, g = g + lambda w, unless
/// it is told otherwise. Defaults: betas 0.9 and 0.999, epsilon 1e-8, psi 0.004.
///
/// Semantics: PyTorch's `torch.optim.NAdam`. Source: Dozat, ICLR 2016 workshop.
#[derive(Clone, Copy, Debug)]
pub struct Nadam(OptimizerSpec);

impl Nadam {
    /// With this learning rate; PyTorch's default is 0.002.
    pub fn new(learning_rate: f64) -> Self {
        let rule = Rule { beta2: 0.999, epsilon: 1e-8, momentum_decay: 4e-3, decoupled: false };
        Self(OptimizerSpec { momentum: 0.9, ..OptimizerSpec::new(Optimizer::Nadam(rule), learning_rate) })
    }

    /// Decay rates of the first and second moment.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        if let Optimizer::Nadam(rule) = &mut self.0.optimizer {
            rule.beta2 = beta2;
        }
        self.0.momentum = beta1;
        self
    }

    /// Weight decay shrinks the weight itself, as AdamW's does.
    #[must_use]
    pub fn decoupled(mut self) -> Self {
        if let Optimizer::Nadam(rule) = &mut self.0.optimizer {
            rule.decoupled = true;
        }
        self
    }
}

builder!(Nadam);

impl Rule {
    /// mu at step t, from 0.96^(t psi).
    fn momentum(beta1: f64, power: f64) -> f64 {
        beta1 * (1.0 - 0.5 * power)
    }

    /// The product of mu over the steps 1 to `number`. It is computed anew each time, so that a step's numbers follow
    /// from its own alone; soon it is too small to matter, and costs nothing.
    fn momentum_product(self, beta1: f64, number: u32) -> f64 {
        if beta1.powf(f64::from(number)) < NEGLIGIBLE {
            return 0.0;
        }
        let base = MOMENTUM_BASE.powf(self.momentum_decay);
        let step = |(product, power): (f64, f64), _| (product * Self::momentum(beta1, power * base), power * base);
        (0..number).fold((1.0, 1.0), step).0
    }
}

impl super::Rule for Rule {
    const MOMENTUM: Option<&'static str> = Some("beta 1");

    fn slots(self) -> usize {
        2
    }

    fn squares(self) -> [bool; SLOTS] {
        [false, true, false]
    }

    fn decoupled(self) -> bool {
        self.decoupled
    }

    fn constants(self) -> Constants {
        Constants::squares(self.beta2, self.epsilon)
    }

    /// What gradient, root of the second moment, and first moment are multiplied by.
    fn corrections(self, rate: f64, beta1: f64, number: u32) -> [f64; 3] {
        let momentum = |t: f64| Self::momentum(beta1, MOMENTUM_BASE.powf(t * self.momentum_decay));
        let t = f64::from(number);
        let (now, next, product) = (momentum(t), momentum(t + 1.0), self.momentum_product(beta1, number));
        let root = adam::corrected(self.beta2, number).sqrt();
        [rate * (1.0 - now) / (1.0 - product), 1.0 / root, rate * next / (1.0 - product * next)]
    }

    fn validate(self, _: f64) -> Result<()> {
        check_decay("beta2", self.beta2)?;
        check_epsilon(self.epsilon)?;
        let decay = self.momentum_decay;
        match decay.is_finite() && decay >= 0.0 {
            true => Ok(()),
            false => Err(Error::spec("momentum decay", format!("must be at least 0, got {decay}"))),
        }
    }

    fn presets() -> Vec<(&'static str, OptimizerSpec)> {
        vec![("nadam", Nadam::new(2e-3).into())]
    }

    #[inline(always)]
    fn updated<T: Scalar>(
        constants: &Constants,
        value: T,
        [first, second, c]: [T; SLOTS],
        gradient: T,
        hyper: &Hyper,
    ) -> (T, [T; SLOTS]) {
        let [first, second] = adam::moments(constants, [first, second], gradient, hyper);
        let epsilon = T::real(constants.epsilon);
        let scale = second.sqrt() * T::real(hyper.correction_y) + epsilon;
        let step = T::real(hyper.correction_x) * gradient + T::real(hyper.correction_z) * first;
        (value - step.over(scale, epsilon), [first, second, c])
    }
}
