//! The arguments of `wgrad train` that say how the loss is minimized.

use clap::{Args, ValueEnum};
use wgrad::{Adam, OptimizerSpec, Sgd};

use crate::args;

/// What Adam's authors recommend (Kingma and Ba, ICLR 2015).
const ADAM_LEARNING_RATE: f32 = 1e-3;
const SGD_LEARNING_RATE: f32 = 0.1;
const NESTEROV_MOMENTUM: f32 = 0.9;

/// The update rule.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub struct OptimizerArgs {
    /// Update rule: sgd (with --momentum too), nesterov, adam.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = OptimizerName::Adam, hide_possible_values = true)]
    optimizer: OptimizerName,
    /// Learning rate [default: 0.001 for adam, 0.1 for sgd and nesterov].
    #[arg(long, value_name = "RATE", value_parser = args::rate, allow_hyphen_values = true)]
    lr: Option<f32>,
    /// Momentum; adam's beta 1 [default: 0 for sgd, 0.9 for nesterov and adam].
    #[arg(long, value_name = "M", value_parser = args::momentum, allow_hyphen_values = true)]
    momentum: Option<f32>,
    /// L2 weight decay, added to the gradient as in PyTorch.
    #[arg(long, value_name = "D", default_value_t = 0.0, value_parser = args::rate, allow_hyphen_values = true)]
    weight_decay: f32,
}

/// Update rules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    Sgd,
    Nesterov,
    Adam,
}

impl OptimizerArgs {
    /// The update rule with its defaults.
    pub fn spec(&self) -> OptimizerSpec {
        let mut spec: OptimizerSpec = match self.optimizer {
            OptimizerName::Adam => Adam::new(ADAM_LEARNING_RATE).into(),
            OptimizerName::Sgd => Sgd::new(SGD_LEARNING_RATE).into(),
            OptimizerName::Nesterov => Sgd::new(SGD_LEARNING_RATE).momentum(NESTEROV_MOMENTUM).nesterov().into(),
        };
        spec.learning_rate = self.lr.unwrap_or(spec.learning_rate);
        spec.momentum = self.momentum.unwrap_or(spec.momentum);
        spec.weight_decay = self.weight_decay;
        spec
    }
}
