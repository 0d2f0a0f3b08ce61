//! The arguments of `wgrad train` that say on which samples to train, in which order, and for how long.

use clap::Args;
use wgrad::run::TrainingSpec;

use crate::args;

/// Batches, epochs, order.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub struct LengthArgs {
    /// Samples a step [default: 128, or all samples where there are fewer, and for gradient-descent].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    batch: Option<usize>,
    /// Passes over the training samples [default: 15, or as many as --steps needs].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    pub epochs: Option<usize>,
    /// Stop after so many steps, if the epochs are not over by then.
    #[arg(long, value_name = "N", value_parser = args::count::<u64>, allow_hyphen_values = true)]
    pub steps: Option<u64>,
    /// Seed of the initial weights and of the order of the samples.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = args::whole::<u64>, allow_hyphen_values = true)]
    seed: u64,
    /// Train so many models side by side, in the same dispatches, with the seeds from --seed on: what is told is their mean,
    /// and at the end what each came to.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = args::replicas, allow_hyphen_values = true)]
    replicas: usize,
    /// Train on the first N samples only [default: all].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    pub limit: Option<usize>,
    /// Visit the samples in the dataset's order in every epoch [default: in a new order each].
    #[arg(long)]
    no_shuffle: bool,
}

impl LengthArgs {
    /// The training with these batches, in this order, of so many models.
    pub fn apply(&self, training: TrainingSpec) -> TrainingSpec {
        let Self { batch, seed, replicas, no_shuffle, .. } = *self;
        TrainingSpec { batch, seed, replicas, shuffle: !no_shuffle, ..training }
    }
}
