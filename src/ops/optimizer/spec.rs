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
        check_rate("learning rate", learning_rate)?;
        check_rate("weight decay", weight_decay)?;
        check_rate("l1", l1)?;
        dropout.map_or(Ok(()), |rate| check_share("dropout", rate))?;
        self.schedule.validate()?;
        optimizer.validate(momentum)
    }
}

/// Checks a learning rate, a weight decay or an L1 penalty, by the name that the error gives it: finite and not negative, also
/// in f32, in which devices compute, and there 0 only if it is 0.
///
/// # Errors
/// [`Error::Spec`].
pub fn check_rate(field: &str, value: f64) -> Result<()> {
    check(field, value, "a finite number of at least 0", |value| value.is_finite() && value >= 0.0)
}

/// A momentum or a dropout rate, likewise.
pub(crate) fn check_share(field: &str, value: f64) -> Result<()> {
    check(field, value, "at least 0 and below 1", |value| (0.0..1.0).contains(&value))
}

fn check(field: &str, value: f64, wanted: &str, sound: impl Fn(f64) -> bool) -> Result<()> {
    if !sound(value) {
        return Err(Error::spec(field, format!("must be {wanted}, got {value}")));
    }
    let held = value as f32;
    if sound(f64::from(held)) && (held == 0.0) == (value == 0.0) {
        return Ok(());
    }
    Err(Error::spec(field, format!("must be {wanted} in f32, in which {value:e} is {held}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Sgd;

    /// With one field at a value, what the error says, which names the field.
    fn refusal(field: &str, value: f64) -> Option<String> {
        let spec = OptimizerSpec::from(Sgd::new(0.1));
        let mut replica = Replica::new(0, &spec);
        match field {
            "learning rate" => replica.learning_rate = value,
            "weight decay" => replica.weight_decay = value,
            "l1" => replica.l1 = value,
            "momentum" => replica.momentum = value,
            _ => replica.dropout = Some(value),
        }
        replica.validate(spec.optimizer).err().map(|error| {
            let Error::Spec { field: own, reason, .. } = error else { panic!("{error}") };
            assert_eq!(own, field);
            reason
        })
    }

    #[test]
    fn numbers_that_f32_cannot_hold_are_refused() {
        for field in ["learning rate", "weight decay", "l1"] {
            for value in [0.0, -0.0, 1e-45, 1e-38, 0.1, 3.4e38] {
                assert_eq!(refusal(field, value), None, "{field} {value:e}");
            }
            let reason = |rest: &str| Some(format!("must be a finite number of at least 0{rest}"));
            assert_eq!(refusal(field, 1e60), reason(" in f32, in which 1e60 is inf"));
            assert_eq!(refusal(field, 3.5e38), reason(" in f32, in which 3.5e38 is inf"));
            assert_eq!(refusal(field, 1e-60), reason(" in f32, in which 1e-60 is 0"));
            assert_eq!(refusal(field, -1.0), reason(", got -1"));
            assert_eq!(refusal(field, f64::NAN), reason(", got NaN"));
            assert_eq!(refusal(field, f64::INFINITY), reason(", got inf"));
        }
        for field in ["momentum", "dropout"] {
            assert_eq!([0.0, 1e-45, 0.9, 0.9999999].map(|value| refusal(field, value)), [const { None }; 4]);
            let reason = |rest: &str| Some(format!("must be at least 0 and below 1{rest}"));
            assert_eq!(refusal(field, 1e-60), reason(" in f32, in which 1e-60 is 0"));
            assert_eq!(refusal(field, 1.0 - 1e-12), reason(" in f32, in which 9.99999999999e-1 is 1"));
            assert_eq!(refusal(field, 1.0), reason(", got 1"));
            assert_eq!(refusal(field, -0.5), reason(", got -0.5"));
        }
    }
}
