//! The networks that are measured, and the samples that are made up for them.

use std::str::FromStr;

use ndarray::Array2;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::ops::{Activation, Loss};
use crate::precision::Precision;
use crate::random::{Purpose, Stream};
use crate::spec::{Adam, OptimizerSpec, Replica, Sequential};
use crate::train::{Device, Trainer};

/// Samples of the made-up training set: MNIST's, so that the ends of an epoch count as they do there.
const SAMPLES: usize = 60_000;
/// Bytes that are drawn; those after them repeat them, as speed does not depend on what they show.
const DRAWN_BYTES: usize = 1 << 20;
/// The most that the samples may fill, where that still makes a batch.
const MOST_BYTES: usize = 512 << 20;
/// Small enough that no number leaves its range, however often a step is repeated.
const LEARNING_RATE: f64 = 1e-6;

/// A network to measure: ReLU between dense layers, softmax cross-entropy, Adam, u8 samples. Written
/// `784-128-10@64`: widths and batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Inputs, hidden widths, classes.
    widths: Vec<usize>,
    /// B.
    batch: usize,
    /// What layers hand on to each other is stored as.
    precision: Precision,
}

/// The networks that `wgrad bench` measures, the smallest first.
pub const NETWORKS: [&str; 4] = ["784-128-10@64", "784-512-512-10@128", "784-128-10@1024", "784-2048-2048-10@1024"];

impl FromStr for Network {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] where the text is no network that can be trained.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: String| Error::spec("network", reason);
        let number = |word: &str| {
            let value = word.parse().ok().filter(|value| *value > 0);
            value.ok_or_else(|| {
                wrong(format!("`{word}` of `{text}` is not a count; write widths@batch, such as 784-128-10@64"))
            })
        };
        let (widths, batch) = text
            .split_once('@')
            .ok_or_else(|| wrong(format!("`{text}` names no batch; write widths@batch, such as 784-128-10@64")))?;
        let widths = widths.split('-').map(number).collect::<Result<_>>()?;
        let network = Self { widths, batch: number(batch)?, precision: Precision::F32 };
        if network.widths.len() < 2 || network.classes() < 2 {
            return Err(wrong(format!("`{text}` needs inputs and at least 2 classes, such as 784-10@64")));
        }
        network.model().validate()?;
        Ok(network)
    }
}

impl Network {
    /// B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The same with what layers hand on to each other stored so.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    fn classes(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    pub(crate) fn model(&self) -> Sequential {
        let (inputs, units) = (self.widths[0], &self.widths[1..]);
        units.iter().enumerate().fold(Sequential::new(inputs), |model, (layer, width)| {
            let last = layer + 1 == units.len();
            model.dense(*width, if last { Activation::Linear } else { Activation::Relu })
        })
    }

    /// A trainer of so many replicas, each with its own seed.
    pub(crate) fn trainer(&self, device: &Device, replicas: usize) -> Result<Trainer> {
        let adam = OptimizerSpec::from(Adam::new(LEARNING_RATE));
        let replicas = (0..replicas as u64).map(|seed| Replica::new(seed, &adam)).collect();
        let builder = Trainer::new(self.model(), Loss::SoftmaxCrossEntropy, adam);
        let builder = builder.device(device.clone()).batch_size(self.batch).precision(self.precision);
        builder.replicas(replicas).build()
    }

    /// N: as many as MNIST has, or fewer where they would fill too much, but a batch at least.
    pub(super) fn sample_count(&self) -> usize {
        SAMPLES.min(MOST_BYTES / self.widths[0]).max(self.batch)
    }

    /// Random bytes with random labels: nothing to learn, but as much work as any data. To be made only once a trainer
    /// has found that a batch fits into memory.
    pub(super) fn samples(&self) -> Result<Dataset> {
        self.some_samples(self.sample_count())
    }

    /// So many of them.
    pub(crate) fn some_samples(&self, count: usize) -> Result<Dataset> {
        let inputs = self.widths[0];
        let (all, mut stream) = (count * inputs, Stream::new(0, Purpose::Inputs, 0));
        let mut pixels = Vec::with_capacity(all + size_of::<u32>());
        while pixels.len() < all.min(DRAWN_BYTES) {
            pixels.extend(stream.word().to_le_bytes());
        }
        while pixels.len() < all {
            pixels.extend_from_within(..DRAWN_BYTES.min(all - pixels.len()));
        }
        pixels.truncate(all);
        let images = Array2::from_shape_vec((count, inputs), pixels);
        let images = images.map_err(|error| Error::spec("network", error.to_string()))?;
        let labels = (0..count).map(|_| stream.word() % self.classes() as u32).collect();
        Dataset::from_images("random bytes", images, labels)
    }
}

impl std::fmt::Display for Network {
    /// `784-128-10@64`: widths and batch, and the precision if it is not f32.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let precision = if self.precision == Precision::F32 { "" } else { " f16" };
        f.pad(&format!("{}@{}{precision}", self.model().architecture(), self.batch))
    }
}
