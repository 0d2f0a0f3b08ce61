use super::Device;
use super::session::Shape;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::error::Result;
use crate::ops::{InputKind, Loss};
use crate::plan::{MemoryReport, Plan};
use crate::precision::Precision;
use crate::spec::{Augment, Clip, LossOptions, OptimizerSpec, Replica, Sequential, TrainSpec};
use crate::state::State;

/// Copies of the parameters that a trainer has in host memory at one time, those of the executor not counted: the initial
/// ones, and the one on its way to the device.
const HOST_COPIES: u64 = 2;

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

    /// The device; the CPU by default.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// Samples per step; 64 by default.
    pub fn batch_size(mut self, batch: usize) -> Self {
        self.spec.batch = batch;
        self
    }

    /// Seed of the initial weights, the order of the samples, dropout, noise and augmentation; 0 by default.
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

    /// The error up to which the Huber loss is quadratic; 1 by default.
    pub fn huber_delta(mut self, huber_delta: f32) -> Self {
        self.spec.loss_options.huber_delta = huber_delta;
        self
    }

    /// Class weights; see [`LossOptions::class_weights`].
    pub fn class_weights(mut self, class_weights: Vec<f32>) -> Self {
        self.spec.loss_options.class_weights = class_weights;
        self
    }

    /// All options of the loss at once.
    pub fn loss_options(mut self, options: LossOptions) -> Self {
        self.spec.loss_options = options;
        self
    }

    /// Whether each epoch shuffles the samples; true by default.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.spec.shuffle = shuffle;
        self
    }

    /// The factor of u8 samples; 1/255 by default.
    pub fn pixel_scale(mut self, scale: f32) -> Self {
        self.spec.pixel_scale = scale;
        self
    }

    /// Standard deviation of Gaussian noise on the training inputs; none by default.
    pub fn noise(mut self, deviation: f32) -> Self {
        self.spec.noise = deviation;
        self
    }

    /// Augmentation of training images; none by default.
    pub fn augment(mut self, augment: Augment) -> Self {
        self.spec.augment = Some(augment);
        self
    }

    /// Gradient clipping; none by default.
    pub fn clip(mut self, clip: Clip) -> Self {
        self.spec.clip = Some(clip);
        self
    }

    /// Limit of the norm of each unit's incoming weights; none by default.
    pub fn max_norm(mut self, limit: f32) -> Self {
        self.spec.max_norm = Some(limit);
        self
    }

    /// Whether weight decay and L1 apply to biases and the parameters of norms too; true by default.
    pub fn decay_biases(mut self, decay_biases: bool) -> Self {
        self.spec.decay_biases = decay_biases;
        self
    }

    /// Freezes the first `layers` layers: no step computes their gradients; 0 by default.
    /// [`Trainer::set_first_layers`] copies weights from another model into them. Running statistics of frozen batch norms
    /// follow the new samples, as in PyTorch's training mode.
    pub fn freeze(mut self, layers: usize) -> Self {
        self.spec.frozen = layers;
        self
    }

    /// Storage precision of outputs and gradients between layers; f32 by default. On a GPU, f16 requires a device that was
    /// opened for it: [`GpuOptions::f16`](crate::GpuOptions::f16), [`Device::auto_for`].
    pub fn precision(mut self, precision: Precision) -> Self {
        self.spec.precision = precision;
        self
    }

    /// Streams training sets of more bytes through the device in chunks; the device's largest binding by
    /// default. The results are the same.
    pub fn streaming_above(mut self, bytes: u64) -> Self {
        self.streaming_bytes = Some(bytes);
        self
    }

    /// Validates the specs, checks that the model fits device and machine, and draws the initial weights.
    ///
    /// # Errors
    /// [`Error::Spec`](crate::Error::Spec) that names the field; [`Error::Limit`](crate::Error::Limit).
    pub fn build(self) -> Result<Trainer> {
        let own = self.complete()?;
        own.check_size()?;
        let seeds: Vec<u64> = own.spec.replicas.iter().map(|replica| replica.seed).collect();
        let initial = own.model.initial(&seeds);
        Ok(Trainer::assemble(own.model, own.spec, own.device, initial, own.streaming_bytes))
    }

    /// How much memory training on `data` needs, and how much is available, without allocating or running anything. A fit that
    /// does not fit fails with the error of [`MemoryReport::check`].
    ///
    /// ```
    /// use wgrad::{Activation::*, Adam, Dataset, Loss::*, Sequential, Trainer};
    ///
    /// let xor = wgrad::datasets::xor()?;
    /// let builder = Trainer::new(Sequential::new(2).dense(8, Tanh).dense(2, Linear), SoftmaxCrossEntropy, Adam::new(0.05));
    /// let report = builder.batch_size(4).memory(&xor)?;
    /// assert_eq!(report.held.parameters, 4 * (2 * 8 + 8 + 8 * 2 + 2));
    /// assert_eq!(report.held.optimizer_state, 2 * report.held.parameters);
    /// report.check()?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Spec`](crate::Error::Spec) that names the field; [`Error::Shape`](crate::Error::Shape) where data and model
    /// do not fit.
    pub fn memory(&self, data: &Dataset) -> Result<MemoryReport> {
        let Self { model, spec, device, streaming_bytes, .. } = self.clone().complete()?;
        Trainer::assemble(model, spec, device, State::default(), streaming_bytes).memory(data)
    }

    /// With its replicas, and checked.
    fn complete(mut self) -> Result<Self> {
        let replicas = self.replicas.take();
        self.spec.replicas = replicas.unwrap_or_else(|| vec![Replica::new(self.seed, &self.optimizer)]);
        self.spec.validate(&self.model)?;
        Ok(self)
    }

    /// Checks the smallest plan that this model can have, before the first of its weights is drawn.
    fn check_size(&self) -> Result<()> {
        let (targets, weighted) = (self.spec.loss.usual_targets(), !self.spec.loss_options.class_weights.is_empty());
        let (capacity, order) = (self.spec.batch, self.spec.batch);
        let shape = Shape { samples: InputKind::SamplesU8, targets, weighted, capacity, order, trains: true };
        let plan = shape.plan(&self.model, &self.spec)?;
        self.device.check_precision(&plan)?;
        memory(&self.device, &plan).check()
    }
}

/// What a plan takes on a device, and of the host's memory.
pub(super) fn memory(device: &Device, plan: &Plan) -> MemoryReport {
    let report = device.memory(plan);
    MemoryReport { host: report.held.parameters.saturating_mul(HOST_COPIES), ..report }
}
