use super::session::Shape;
use super::trainer::Trainer;
use super::{Device, LayerWeights};
use crate::cpu::available_memory;
use crate::error::{Error, Result};
use crate::ops::{InputKind, Loss};
use crate::spec::{Augment, Clip, LossOptions, OptimizerSpec, Replica, Sequential, TrainSpec};

/// Copies of the parameters that a run has in host memory at one time, those of the plan not counted: the initial ones,
/// the one on its way to the device, and on the CPU the two that are kept for a loss that diverges.
const HOST_COPIES: u64 = 4;

/// Collects what a [`Trainer`] needs; [`TrainerBuilder::build`] checks it.
#[derive(Clone, Debug)]
#[must_use]
pub struct TrainerBuilder {
    model: Sequential,
    spec: TrainSpec,
    optimizer: OptimizerSpec,
    device: Device,
    seed: u64,
    replicas: Option<Vec<Replica>>,
    streaming_bytes: Option<u64>,
}

impl TrainerBuilder {
    pub(super) fn new(model: Sequential, loss: Loss, optimizer: OptimizerSpec) -> Self {
        let spec = TrainSpec::new(loss, optimizer.optimizer, 64, Vec::new());
        let device = Device::cpu();
        Self { model, spec, optimizer, device, seed: 0, replicas: None, streaming_bytes: None }
    }

    /// Where to train; the CPU unless told otherwise.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Samples a step; 64 unless told otherwise.
    pub fn batch_size(mut self, batch: usize) -> Self {
        self.spec.batch = batch;
        self
    }

    /// Seeds the initial weights and the order of the samples; 0 unless told otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Trains R models side by side, each with its own seed and hyper-parameters; overrides [`TrainerBuilder::seed`].
    pub fn replicas(mut self, replicas: Vec<Replica>) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Label smoothing, of softmax cross-entropy; see [`LossOptions::label_smoothing`].
    pub fn label_smoothing(mut self, label_smoothing: f32) -> Self {
        self.spec.loss_options.label_smoothing = label_smoothing;
        self
    }

    /// The distance from the target up to which the Huber loss is quadratic; 1 unless told otherwise.
    pub fn huber_delta(mut self, huber_delta: f32) -> Self {
        self.spec.loss_options.huber_delta = huber_delta;
        self
    }

    /// What each class counts in the loss; see [`LossOptions::class_weights`].
    pub fn class_weights(mut self, class_weights: Vec<f32>) -> Self {
        self.spec.loss_options.class_weights = class_weights;
        self
    }

    /// All that tunes the loss at once.
    pub fn loss_options(mut self, options: LossOptions) -> Self {
        self.spec.loss_options = options;
        self
    }

    /// Whether each epoch visits the samples in a new order; true unless told otherwise.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.spec.shuffle = shuffle;
        self
    }

    /// What u8 samples are multiplied by; 1/255 unless told otherwise.
    pub fn pixel_scale(mut self, scale: f32) -> Self {
        self.spec.pixel_scale = scale;
        self
    }

    /// Gaussian noise of this standard deviation on training's inputs; none unless told otherwise.
    pub fn noise(mut self, deviation: f32) -> Self {
        self.spec.noise = deviation;
        self
    }

    /// Moves and bends training's images; as they are unless told otherwise.
    pub fn augment(mut self, augment: Augment) -> Self {
        self.spec.augment = Some(augment);
        self
    }

    /// Limits gradients.
    pub fn clip(mut self, clip: Clip) -> Self {
        self.spec.clip = Some(clip);
        self
    }

    /// Keeps the norm of each unit's incoming weights within a limit.
    pub fn max_norm(mut self, limit: f32) -> Self {
        self.spec.max_norm = Some(limit);
        self
    }

    /// Whether weight decay and L1 are for biases and the parameters of norms too; true unless told otherwise.
    pub fn decay_biases(mut self, decay_biases: bool) -> Self {
        self.spec.decay_biases = decay_biases;
        self
    }

    /// Keeps the weights of the first `layers` layers as they are: no step computes their gradients; 0 unless told
    /// otherwise. [`Trainer::set_first_layers`] gives them those of another model. Running statistics of frozen batch norms
    /// follow the new samples, as in PyTorch's training mode.
    pub fn freeze(mut self, layers: usize) -> Self {
        self.spec.frozen = layers;
        self
    }

    /// Streams training sets of more bytes through the device in chunks; the device's largest binding unless told
    /// otherwise. The results are the same.
    pub fn streaming_above(mut self, bytes: u64) -> Self {
        self.streaming_bytes = Some(bytes);
        self
    }

    /// Checks the specs, and that device and machine have room for the model, then draws the initial weights.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field; [`Error::Limit`].
    pub fn build(mut self) -> Result<Trainer> {
        let replicas = self.replicas.take();
        self.spec.replicas = replicas.unwrap_or_else(|| vec![Replica::new(self.seed, &self.optimizer)]);
        self.spec.validate(&self.model)?;
        self.check_size()?;
        let replicas = self.spec.replicas.iter();
        let weights = replicas.map(|replica| LayerWeights::initial(&self.model, replica.seed)).collect();
        Ok(Trainer::assemble(self.model, self.spec, self.device, weights, self.streaming_bytes))
    }

    /// Checks the smallest plan that this model can have, and the host's own copies of the parameters, before the first
    /// of them is drawn.
    fn check_size(&self) -> Result<()> {
        let (targets, weighted) = (self.spec.loss.usual_targets(), !self.spec.loss_options.class_weights.is_empty());
        let (capacity, order) = (self.spec.batch, self.spec.batch);
        let shape = Shape { samples: InputKind::SamplesU8, targets, weighted, capacity, order };
        self.device.check(&shape.plan(&self.model, &self.spec)?)?;
        let parameters = (self.model.parameters() as u64).saturating_mul(4 * self.spec.replicas.len() as u64);
        let (wanted, had) = (parameters.saturating_mul(HOST_COPIES), available_memory());
        if wanted <= had {
            return Ok(());
        }
        let what = format!("host memory for {} and its copies", self.model.architecture());
        let hint = "use narrower layers or fewer replicas";
        Err(Error::Limit { what, limit: "the machine's free memory", wanted, had, hint })
    }
}
