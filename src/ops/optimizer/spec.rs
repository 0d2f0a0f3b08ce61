//! The hyper-parameters of an update rule, as a user writes them, and of each replica.

use serde::{Deserialize, Serialize};

use super::Optimizer;
use crate::error::{Error, Result};
use crate::schedule::{Pace, Schedule};

/// Replicas whose hyper-parameters fit the table that WGSL reserves for them.
pub const MAX_REPLICAS: usize = 1024;

/// The optimizer with the hyper-parameters that all replicas share, and the base values of those that each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSpec {
    /// Which update rule.
    pub optimizer: Optimizer,
    /// Step size.
    pub learning_rate: f64,
    /// Coupled: `weight_decay * w` is added to the gradient, as in PyTorch's SGD and Adam. Decoupled: weights shrink by the
    /// factor `1 - learning_rate * weight_decay`, as in AdamW.
    pub weight_decay: f64,
    /// SGD's momentum, Adam's beta 1.
    pub momentum: f64,
    /// `l1 * sign(w)` is added to the gradient, sign(0) being 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub l1: f64,
    /// Learning rate schedule.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub schedule: Schedule,
}

impl OptimizerSpec {
    /// An update rule with this learning rate, without momentum, decay or schedule.
    pub fn new(optimizer: Optimizer, learning_rate: f64) -> Self {
        Self { optimizer, learning_rate, weight_decay: 0.0, momentum: 0.0, l1: 0.0, schedule: Schedule::Constant }
    }

    /// The optimizer of this name, with its defaults.
    pub fn named(name: &str) -> Option<Self> {
        Optimizer::presets().into_iter().find(|(own, _)| *own == name).map(|(_, spec)| spec)
    }

    /// With this momentum, for which RMSprop gets a velocity.
    #[must_use]
    pub fn with_momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        if let Optimizer::Rmsprop(rule) = &mut self.optimizer {
            rule.momentum |= momentum > 0.0;
        }
        self
    }
}

/// The settings of one of R models trained side by side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// Seeds its initial weights and the order of its samples.
    pub seed: u64,
    /// Step size.
    pub learning_rate: f64,
    /// Weight decay, coupled or decoupled as the optimizer has it.
    pub weight_decay: f64,
    /// SGD's momentum, Adam's beta 1.
    pub momentum: f64,
    /// L1: `l1 * sign(w)` is added to the gradient of what decays, sign(0) being 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub l1: f64,
    /// Its own dropout rate, instead of the layers' rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Its learning rate schedule.
    #[serde(default, skip_serializing_if = "Schedule::is_constant")]
    pub schedule: Schedule,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Replica {
    /// A replica with the optimizer's own hyper-parameters.
    pub fn new(seed: u64, optimizer: &OptimizerSpec) -> Self {
        let OptimizerSpec { learning_rate, weight_decay, momentum, l1, schedule, .. } = *optimizer;
        Self { seed, learning_rate, weight_decay, momentum, l1, dropout: None, schedule }
    }

    /// The learning rate of optimizer step `number`, counted from 1; this is replica `r` of those in `pace`.
    pub(crate) fn rate(&self, r: usize, pace: &Pace, number: u32) -> f64 {
        self.schedule.rate(self.learning_rate, pace.fallen.get(r).copied(), pace, number)
    }

    pub(crate) fn validate(&self, optimizer: Optimizer) -> Result<()> {
        let Self { learning_rate, weight_decay, momentum, l1, dropout, .. } = *self;
        if !(learning_rate.is_finite() && learning_rate >= 0.0) {
            return Err(Error::spec(
                "learning rate",
                format!("must be a finite number of at least 0, got {learning_rate}"),
            ));
        }
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return Err(Error::spec(
                "weight decay",
                format!("must be a finite number of at least 0, got {weight_decay}"),
            ));
        }
        if !(l1.is_finite() && l1 >= 0.0) {
            return Err(Error::spec("l1", format!("must be a finite number of at least 0, got {l1}")));
        }
        if let Some(rate) = dropout.filter(|rate| !(0.0..1.0).contains(rate)) {
            return Err(Error::spec("dropout", format!("must be at least 0 and below 1, got {rate}")));
        }
        self.schedule.validate()?;
        optimizer.validate(momentum)
    }
}
