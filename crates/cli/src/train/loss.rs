//! The arguments of `wgrad train` for the loss.

use clap::Args;
use wgrad::run::{self, TrainingSpec};
use wgrad::{Loss, LossOptions};

use crate::args::{self, ClassWeights};

/// Loss and its options.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub struct LossArgs {
    #[arg(long, value_name = "NAME", value_parser = args::loss, help = args::loss_help())]
    loss: Option<Loss>,
    /// Fraction of each target that is spread over all classes, for softmax-cross-entropy [default: 0].
    #[arg(long, value_name = "S", value_parser = args::below_one::<f32>, allow_hyphen_values = true)]
    label_smoothing: Option<f32>,
    /// Error up to which huber is quadratic [default: 1].
    #[arg(long, value_name = "D", value_parser = args::positive, allow_hyphen_values = true)]
    huber_delta: Option<f32>,
    /// Weight of each class in the loss: a number each, comma-separated, or `balanced`: N / (classes times the class's
    /// samples) [default: 1 each].
    #[arg(long, value_name = "WEIGHTS", allow_hyphen_values = true)]
    class_weights: Option<ClassWeights>,
}

impl LossArgs {
    /// The training with this loss.
    pub fn apply(&self, training: TrainingSpec) -> TrainingSpec {
        let usual = LossOptions::default();
        let loss_options = LossOptions {
            label_smoothing: self.label_smoothing.unwrap_or(usual.label_smoothing),
            huber_delta: self.huber_delta.unwrap_or(usual.huber_delta),
            class_weights: match &self.class_weights {
                Some(ClassWeights::Each(weights)) => weights.clone(),
                Some(ClassWeights::Balanced) | None => Vec::new(),
            },
        };
        let class_weights = match &self.class_weights {
            Some(ClassWeights::Balanced) => run::ClassWeights::Balanced,
            Some(ClassWeights::Each(_)) | None => run::ClassWeights::Given,
        };
        TrainingSpec { loss: self.loss, loss_options, class_weights, ..training }
    }
}
