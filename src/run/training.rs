use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Preprocessing, Targets};
use crate::error::{Error, Result};
use crate::ops::Loss;
use crate::precision::Precision;
use crate::spec::{Augment, Clip, LossOptions, OptimizerSpec, Replica, Sequential};
use crate::train::{Device, Trainer, TrainerBuilder};

/// With the other defaults, MNIST's test accuracy is then 97.74, 97.87, 97.86 and 97.85 % for seeds 0 to 3 on the CPU (1.3 s
/// on two cores); at batch 64 it varies more, down to 97.5 %.
const DEFAULT_BATCH: usize = 128;

/// The loss, the optimizer and other training settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSpec {
    /// The loss; by default the usual one for the targets.
    #[serde(default)]
    pub loss: Option<Loss>,
    /// Options of the loss. Class weights given here take precedence over [`TrainingSpec::class_weights`].
    #[serde(default)]
    pub loss_options: LossOptions,
    /// Class weights.
    #[serde(default)]
    pub class_weights: ClassWeights,
    /// The update rule with its hyper-parameters.
    pub optimizer: OptimizerSpec,
    /// Samples per step; by default 128, or all if there are fewer or the optimizer needs all.
    #[serde(default)]
    pub batch: Option<usize>,
    /// Seed of the initial weights, the order of the samples, dropout, noise and augmentation.
    #[serde(default)]
    pub seed: u64,
    /// Replicas, with consecutive seeds from `seed` on.
    #[serde(default = "one")]
    pub replicas: usize,
    /// Whether each epoch shuffles the samples.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Standard deviation of the noise on the inputs.
    #[serde(default)]
    pub noise: f32,
    /// Augmentation of images; a width and height of 0 stand for those of square images.
    #[serde(default)]
    pub augment: Option<Augment>,
    /// Gradient clipping.
    #[serde(default)]
    pub clip: Option<Clip>,
    /// The largest norm of a unit's incoming weights.
    #[serde(default)]
    pub max_norm: Option<f32>,
    /// Whether weight decay and L1 apply to biases too.
    #[serde(default = "yes")]
    pub decay_biases: bool,
    /// The number of frozen layers, counted from the first.
    #[serde(default)]
    pub frozen: usize,
    /// Storage precision between layers.
    #[serde(default)]
    pub precision: Precision,
}

/// Class weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// As [`LossOptions::class_weights`] says: each 1 where that is empty.
    #[default]
    Given,
    /// As much as the others all together: N / (C count).
    Balanced,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl TrainingSpec {
    /// Everything as it is usual but for the optimizer.
    pub fn new(optimizer: impl Into<OptimizerSpec>) -> Self {
        Self {
            loss: None,
            loss_options: LossOptions::default(),
            class_weights: ClassWeights::default(),
            optimizer: optimizer.into(),
            batch: None,
            seed: 0,
            replicas: 1,
            shuffle: true,
            noise: 0.0,
            augment: None,
            clip: None,
            max_norm: None,
            decay_biases: true,
            frozen: 0,
            precision: Precision::F32,
        }
    }

    /// The given loss, or the default for the targets.
    pub fn loss_for(&self, data: &Dataset) -> Loss {
        self.loss.unwrap_or(match data.targets() {
            Targets::Classes(_) => Loss::SoftmaxCrossEntropy,
            Targets::Values(_) => Loss::MeanSquaredError,
        })
    }

    /// Samples per step, given the number of samples.
    pub fn batch_of(&self, samples: usize) -> usize {
        let usual = if self.optimizer.optimizer.full_batch() { samples } else { DEFAULT_BATCH.min(samples) };
        self.batch.unwrap_or(usual)
    }

    /// A trainer's builder, for a model of samples like these.
    pub(super) fn builder(&self, model: Sequential, data: &Dataset, device: Device) -> Result<TrainerBuilder> {
        let seeds = (0..self.replicas as u64).map(|n| self.seed.wrapping_add(n));
        let replicas = seeds.map(|seed| Replica::new(seed, &self.optimizer)).collect();
        let mut options = self.loss_options.clone();
        if self.class_weights == ClassWeights::Balanced {
            options.class_weights = data.balanced_class_weights()?;
        }
        let builder = Trainer::new(model, self.loss_for(data), self.optimizer).device(device);
        let builder = builder.loss_options(options).batch_size(self.batch_of(data.len())).replicas(replicas);
        let builder = builder.shuffle(self.shuffle).noise(self.noise).decay_biases(self.decay_biases);
        let builder = builder.freeze(self.frozen).precision(self.precision);
        let builder = self.max_norm.map_or(builder.clone(), |limit| builder.max_norm(limit));
        let builder = self.clip.map_or(builder.clone(), |clip| builder.clip(clip));
        Ok(match self.augment.map(|augment| sized(augment, data)).transpose()? {
            Some(augment) => builder.augment(augment),
            None => builder,
        })
    }
}

/// With the size of the images, where that is left to them.
fn sized(augment: Augment, data: &Dataset) -> Result<Augment> {
    if data.preprocessing().is_some_and(Preprocessing::knows_columns) {
        return Err(Error::spec("augment", format!("is for images, and {} is a table; leave it out", data.name())));
    }
    let (inputs, side) = (data.inputs(), data.inputs().isqrt());
    match (augment.width, augment.height) {
        (0, 0) if side * side == inputs => Ok(Augment { width: side, height: side, ..augment }),
        (0, 0) => {
            let reason = format!("samples of {inputs} numbers are not square images; give size=WIDTHxHEIGHT");
            Err(Error::spec("augment", reason))
        }
        _ => Ok(augment),
    }
}
