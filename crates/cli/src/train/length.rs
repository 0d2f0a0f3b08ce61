//! The arguments of `wgrad train` for batches, epochs and the order of the samples.

use clap::Args;
use wgrad::run::TrainingSpec;

use crate::args;

/// Batches, epochs, order.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub struct LengthArgs {
    /// Samples per step [default: 128; all samples if there are fewer, and for gradient-descent].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    batch: Option<usize>,
    /// Passes over the training samples [default: 15, or as many as --steps requires].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    pub epochs: Option<usize>,
    /// Stop after this many steps, at the latest.
    #[arg(long, value_name = "N", value_parser = args::count::<u64>, allow_hyphen_values = true)]
    pub steps: Option<u64>,
    /// Seed of the initial weights, the order of the samples and all other random numbers.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = args::whole::<u64>, allow_hyphen_values = true)]
    seed: u64,
    /// Train this many models side by side in the same dispatches, with consecutive seeds from --seed on; reports show their
    /// mean, and at the end each one's result.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = args::replicas, allow_hyphen_values = true)]
    replicas: usize,
    /// Train on the first N samples only [default: all].
    #[arg(long, value_name = "N", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    pub limit: Option<usize>,
    /// Visit the samples in the dataset's order in every epoch [default: reshuffle each epoch].
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
