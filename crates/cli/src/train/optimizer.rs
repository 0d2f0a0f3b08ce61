//! The arguments of `wgrad train` for the optimizer, penalties and limits.

use clap::Args;
use wgrad::run::TrainingSpec;
use wgrad::{Clip, Optimizer, OptimizerSpec, Schedule};

use super::schedule;
use crate::args;
use crate::{Failure, Result};

/// The update rule.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub struct OptimizerArgs {
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = optimizer, help = optimizer_help())]
    optimizer: OptimizerSpec,
    #[arg(long, value_name = "RATE", value_parser = args::rate::<f64>, allow_hyphen_values = true, help = rate_help())]
    lr: Option<f64>,
    /// Momentum, or beta 1 of adam, adamw, nadam and lion [default: 0.9 for these, nesterov, momentum and
    /// rmsprop-momentum, else 0].
    #[arg(long, value_name = "M", value_parser = args::below_one::<f64>, allow_hyphen_values = true)]
    momentum: Option<f64>,
    /// Weight decay: added to the gradient (L2), or decoupled for adamw and lion, as in PyTorch
    /// [default: 0.01 for adamw, else 0].
    #[arg(long, value_name = "D", value_parser = args::rate::<f64>, allow_hyphen_values = true)]
    weight_decay: Option<f64>,
    /// L1 penalty: adds this times the weight's sign to the gradient; an elastic net together with --weight-decay.
    #[arg(long, value_name = "L", default_value_t = 0.0, value_parser = args::rate::<f64>, allow_hyphen_values = true)]
    l1: f64,
    /// Exempt biases and the parameters of norms from weight decay and L1.
    #[arg(long)]
    no_decay_biases: bool,
    /// Clip each element of the gradient to this absolute value.
    #[arg(long, value_name = "V", value_parser = args::positive, allow_hyphen_values = true, conflicts_with = "clip_norm")]
    clip_value: Option<f32>,
    /// Clip the global norm of the gradients to this; --log-steps reports the norm.
    #[arg(long, value_name = "N", value_parser = args::positive, allow_hyphen_values = true)]
    clip_norm: Option<f32>,
    /// Constrain the norm of each unit's incoming weights to at most this.
    #[arg(long, value_name = "N", value_parser = args::positive, allow_hyphen_values = true)]
    max_norm: Option<f32>,
    #[arg(long, value_name = "NAME[:KEY=VALUE,...]", default_value = "constant", value_parser = schedule::parse,
          help = schedule::HELP)]
    schedule: Schedule,
}

impl OptimizerArgs {
    /// The update rule with its defaults.
    pub fn spec(&self) -> OptimizerSpec {
        let spec = self.optimizer;
        let spec = self.momentum.map_or(spec, |momentum| spec.with_momentum(momentum));
        OptimizerSpec {
            learning_rate: self.lr.unwrap_or(spec.learning_rate),
            weight_decay: self.weight_decay.unwrap_or(spec.weight_decay),
            l1: self.l1,
            schedule: self.schedule,
            ..spec
        }
    }

    /// Rejects flags that have no effect.
    pub fn check(&self) -> Result<()> {
        let spec = self.spec();
        if self.no_decay_biases && spec.weight_decay == 0.0 && spec.l1 == 0.0 {
            let reason =
                "--no-decay-biases is for --weight-decay and --l1, but neither is given; add one or leave it out";
            return Err(Failure::Usage(reason.to_owned()));
        }
        Ok(())
    }

    /// The training with clipping, max-norm and the exemption of biases.
    pub fn apply(&self, training: TrainingSpec) -> TrainingSpec {
        let clip = self.clip_value.map(Clip::Value).or(self.clip_norm.map(Clip::Norm));
        TrainingSpec { clip, max_norm: self.max_norm, decay_biases: !self.no_decay_biases, ..training }
    }
}

/// An optimizer by name.
fn optimizer(text: &str) -> Result<OptimizerSpec, String> {
    let names = || Optimizer::presets().into_iter().map(|(name, _)| name);
    let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
    let found = Optimizer::presets().into_iter().find(|(name, _)| plain(name) == plain(text));
    found.map(|(_, spec)| spec).ok_or_else(|| args::unknown(text, names()))
}

fn optimizer_help() -> String {
    let names: Vec<_> = Optimizer::presets().into_iter().map(|(name, _)| name).collect();
    format!("Update rule, with PyTorch's defaults: {}", names.join(", "))
}

fn rate_help() -> String {
    let mut by_rate: Vec<(f64, Vec<&str>)> = Vec::new();
    for (name, spec) in Optimizer::presets() {
        match by_rate.iter_mut().find(|(rate, _)| *rate == spec.learning_rate) {
            Some((_, names)) => names.push(name),
            None => by_rate.push((spec.learning_rate, vec![name])),
        }
    }
    let rates: Vec<_> = by_rate.iter().map(|(rate, names)| format!("{rate} for {}", names.join(", "))).collect();
    format!("Learning rate [default: {}]", rates.join("; "))
}
