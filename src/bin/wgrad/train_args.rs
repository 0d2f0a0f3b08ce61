//! The arguments of `wgrad train`, and the specs that they mean.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wgrad::{Activation, Adam, Dataset, Loss, OptimizerSpec, Sequential, Sgd};

use crate::Result;
use crate::args::{self, DatasetArgs, DeviceArgs, Widths};

/// What Adam's authors recommend (Kingma and Ba, ICLR 2015).
const ADAM_LEARNING_RATE: f32 = 1e-3;
const SGD_LEARNING_RATE: f32 = 0.1;
const NESTEROV_MOMENTUM: f32 = 0.9;
/// With the other defaults, MNIST's test accuracy is then 97.73, 97.84, 97.90 and 97.83 % for seeds 0 to 3 on the CPU (5 s
/// on two cores); at batch 64 it varies more, down to 97.5 %.
const DEFAULT_EPOCHS: usize = 15;
const DEFAULT_BATCH: usize = 128;

const EXAMPLES: &str = "\
Examples:
  wgrad train mnist
  wgrad train mnist --hidden 256,128 --epochs 20 --out runs/wide
  wgrad train mnist --optimizer nesterov --lr 0.05 --weight-decay 1e-4
  wgrad train mnist --hidden none --loss mse --limit 10000
  wgrad train mnist --init runs/wide/model.safetensors --hidden 256,128
  wgrad train mnist --adapter llvmpipe --steps 100 --log-steps --json
  wgrad train mnist --print-plan

With --out, DIR holds model.safetensors (PyTorch's names and shapes),
history.json and config.json when training is over.

JSON events: step (with --log-steps), epoch, summary; plan (with --print-plan).";

/// Train a multilayer perceptron on a dataset.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    #[command(flatten)]
    pub data: DatasetArgs,

    /// Widths of the hidden layers, comma-separated; `none` for softmax regression. The output layer has a unit per class.
    #[arg(long, value_name = "WIDTHS", default_value = "128", allow_hyphen_values = true, help_heading = "Model")]
    hidden: Widths,
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = args::activation,
          help = args::activation_help(), help_heading = "Model")]
    activation: Activation,
    /// Start from the weights of this model, which must have the same widths.
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Model")]
    pub init: Option<PathBuf>,

    #[arg(long, value_name = "NAME", default_value = "softmax-cross-entropy", value_parser = args::loss,
          help = args::loss_help(), help_heading = "Training")]
    loss: Loss,
    /// Update rule: sgd (with --momentum too), nesterov, adam.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = OptimizerName::Adam, hide_possible_values = true,
          help_heading = "Training")]
    optimizer: OptimizerName,
    /// Learning rate [default: 0.001 for adam, 0.1 for sgd and nesterov].
    #[arg(long, value_name = "RATE", value_parser = args::rate, allow_hyphen_values = true, help_heading = "Training")]
    lr: Option<f32>,
    /// Momentum; adam's beta 1 [default: 0 for sgd, 0.9 for nesterov and adam].
    #[arg(long, value_name = "M", value_parser = args::momentum, allow_hyphen_values = true, help_heading = "Training")]
    momentum: Option<f32>,
    /// L2 weight decay, added to the gradient as in PyTorch.
    #[arg(long, value_name = "D", default_value_t = 0.0, value_parser = args::rate, allow_hyphen_values = true,
          help_heading = "Training")]
    weight_decay: f32,
    /// Samples a step [default: 128, or all samples where there are fewer].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true,
          help_heading = "Training")]
    batch: Option<usize>,
    /// Passes over the training samples [default: 15, or as many as --steps needs].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true,
          help_heading = "Training")]
    epochs: Option<usize>,
    /// Stop after so many steps, if the epochs are not over by then.
    #[arg(long, value_name = "N", value_parser = args::count::<u64>, allow_hyphen_values = true,
          help_heading = "Training")]
    pub steps: Option<u64>,
    /// Seed of the initial weights and of the order of the samples.
    #[arg(long, value_name = "S", default_value_t = 0, allow_hyphen_values = true, help_heading = "Training")]
    pub seed: u64,
    /// Train on the first N samples only [default: all].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true,
          help_heading = "Training")]
    pub limit: Option<usize>,
    /// Visit the samples in the dataset's order in every epoch [default: in a new order each].
    #[arg(long, help_heading = "Training")]
    pub no_shuffle: bool,

    #[command(flatten, next_help_heading = "Device")]
    pub device: DeviceArgs,

    /// Keep model, history and configuration in this directory, which is made if need be.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print what a training step consists of, and stop.
    #[arg(long, help_heading = "Output")]
    pub print_plan: bool,
    /// Report the loss of every step.
    #[arg(long, help_heading = "Output")]
    pub log_steps: bool,
}

/// Update rules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    Sgd,
    Nesterov,
    Adam,
}

impl TrainArgs {
    /// The model for samples like these: an output unit per class.
    pub fn model(&self, data: &Dataset) -> Sequential {
        let hidden = self.hidden.0.iter();
        let model = hidden.fold(Sequential::new(data.inputs()), |model, units| model.dense(*units, self.activation));
        model.dense(data.classes(), Activation::Linear)
    }

    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The update rule with its defaults.
    pub fn optimizer(&self) -> OptimizerSpec {
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

    /// Samples a step, of so many.
    pub fn batch(&self, samples: usize) -> usize {
        self.batch.unwrap_or(DEFAULT_BATCH.min(samples))
    }

    /// The epochs that were asked for, or as many as the steps need.
    pub fn epochs(&self, samples: usize) -> usize {
        let steps_per_epoch = samples.div_ceil(self.batch(samples)).max(1) as u64;
        let needed = self.steps.map(|steps| usize::try_from(steps.div_ceil(steps_per_epoch)).unwrap_or(usize::MAX));
        self.epochs.or(needed).unwrap_or(DEFAULT_EPOCHS)
    }

    /// The first samples of a training set, as many as were asked for.
    pub fn limited(&self, data: Dataset) -> Result<Dataset> {
        match self.limit {
            Some(limit) if limit > data.len() => {
                let (had, name) = (data.len(), data.name());
                Err(crate::Failure::Usage(format!("--limit {limit} is more than the {had} training samples of {name}")))
            }
            Some(limit) => Ok(data.take(limit)?),
            None => Ok(data),
        }
    }
}
