use serde::{Deserialize, Serialize};

use crate::train::{Checkpoints, EarlyStopping};

const DEFAULT_EPOCHS: usize = 15;

/// The length of training, early stopping and checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitSpec {
    /// Passes over the samples; none: as many as the steps need, or 15.
    pub epochs: Option<usize>,
    /// The most steps.
    pub steps: Option<u64>,
    /// When training has ceased to pay.
    pub stopping: Option<EarlyStopping>,
    /// Where checkpoints are kept, and how often.
    pub checkpoints: Option<Checkpoints>,
}

impl FitSpec {
    /// A number of epochs, with defaults for everything else.
    pub fn epochs(epochs: usize) -> Self {
        Self { epochs: Some(epochs), ..Self::default() }
    }

    /// The given number of epochs, or as many as the steps need.
    pub fn epochs_of(&self, samples: usize, batch: usize) -> usize {
        let steps_per_epoch = samples.div_ceil(batch).max(1) as u64;
        let needed = self.steps.map(|steps| usize::try_from(steps.div_ceil(steps_per_epoch)).unwrap_or(usize::MAX));
        self.epochs.or(needed).unwrap_or(DEFAULT_EPOCHS)
    }
}
