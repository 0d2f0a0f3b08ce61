use serde::{Deserialize, Serialize};

use super::{Augment, LossOptions, Precision, Sequential};
use crate::error::{Error, Result};
use crate::ops::optimizer::{MAX_REPLICAS, Optimizer, Replica, Update};
use crate::ops::{Activation, Loss};

/// Gradient clipping, before penalties and the update rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Clips each element of the gradient to this absolute value, as PyTorch's `clip_grad_value_` does.
    Value(f32),
    /// Clips the global norm of a replica's gradients, as PyTorch's `clip_grad_norm_` does. Gradients are then stored, and
    /// updates are steps of their own.
    Norm(f32),
}

impl Clip {
    fn validate(self) -> Result<()> {
        let (Self::Value(limit) | Self::Norm(limit)) = self;
        match limit.is_finite() && limit > 0.0 {
            true => Ok(()),
            false => Err(Error::spec("clip", format!("must be a finite number above 0, got {limit}"))),
        }
    }
}

/// Training settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// The loss.
    pub loss: Loss,
    /// Options of the loss: label smoothing, Huber's delta, class weights.
    #[serde(default, skip_serializing_if = "LossOptions::is_default")]
    pub loss_options: LossOptions,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Samples per step; the last step of an epoch may have fewer.
    pub batch: usize,
    /// The R replicas; one is ordinary training.
    pub replicas: Vec<Replica>,
    /// Whether each epoch shuffles the samples.
    pub shuffle: bool,
    /// The factor of u8 samples; 1/255 scales pixels to [0, 1].
    pub pixel_scale: f32,
    /// Standard deviation of the Gaussian noise that training adds to its inputs, after pixels have been scaled (Bishop,
    /// "Training with noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f32,
    /// Augmentation of images in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Gradient clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// Limit of the norm of each unit's incoming weights, enforced after each step, as by Keras' `MaxNorm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f32>,
    /// Whether weight decay and L1 apply to biases and the parameters of norms too, as in PyTorch unless these are in a
    /// parameter group of their own.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub decay_biases: bool,
    /// The number of frozen layers, counted from the first: no step computes their gradients.
    #[serde(default, skip_serializing_if = "is_none_frozen")]
    pub frozen: usize,
    /// Storage precision of outputs and gradients between layers, in training, evaluation and prediction.
    #[serde(default)]
    pub precision: Precision,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn is_none_frozen(frozen: &usize) -> bool {
    *frozen == 0
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

impl TrainSpec {
    /// Training settings with defaults for everything else: shuffled epochs, pixels scaled to [0, 1].
    pub fn new(loss: Loss, optimizer: Optimizer, batch: usize, replicas: Vec<Replica>) -> Self {
        Self {
            loss,
            loss_options: LossOptions::default(),
            optimizer,
            batch,
            replicas,
            shuffle: true,
            pixel_scale: 1.0 / 255.0,
            noise: 0.0,
            augment: None,
            clip: None,
            max_norm: None,
            decay_biases: true,
            frozen: 0,
            precision: Precision::F32,
        }
    }

    /// Checks every field, and that the loss accepts the model's output activation.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field.
    pub fn validate(&self, model: &Sequential) -> Result<()> {
        model.validate()?;
        if self.batch == 0 {
            return Err(Error::spec("batch", "must be at least 1, got 0"));
        }
        if u32::try_from(self.batch).is_err() {
            return Err(Error::spec("batch", format!("must be at most {}, got {}", u32::MAX, self.batch)));
        }
        if self.batch == 1 && model.has_batch_norm() {
            let reason = "batch norm needs at least 2 rows, of which a variance can be taken; use layer norm for 1";
            return Err(Error::spec("batch", reason));
        }
        if self.replicas.is_empty() || self.replicas.len() > MAX_REPLICAS {
            let got = self.replicas.len();
            return Err(Error::spec("replicas", format!("must be 1 to {MAX_REPLICAS}, got {got}")));
        }
        self.clip.map_or(Ok(()), Clip::validate)?;
        if let Some(limit) = self.max_norm.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
            return Err(Error::spec("max norm", format!("must be a finite number above 0, got {limit}")));
        }
        if self.frozen >= model.layers.len() {
            let (frozen, layers) = (self.frozen, model.layers.len());
            let reason = format!("{frozen} of {layers} layers leaves none to train; freeze at most {}", layers - 1);
            return Err(Error::spec("freeze", reason));
        }
        if !self.pixel_scale.is_finite() {
            return Err(Error::spec("pixel scale", format!("must be finite, got {}", self.pixel_scale)));
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Err(Error::spec("noise", format!("must be a finite number of at least 0, got {}", self.noise)));
        }
        self.augment.iter().try_for_each(|augment| augment.validate(model.inputs))?;
        self.replicas.iter().try_for_each(|replica| replica.validate(self.optimizer))?;
        self.loss_options.validate(self.loss, model)?;
        let drops = model.layers.iter().any(|layer| layer.dropout > 0.0);
        if self.replicas.iter().any(|replica| replica.dropout.is_some()) && !drops {
            let reason = "a replica has its own rate, but no layer drops anything; give a layer a rate";
            return Err(Error::spec("dropout", reason));
        }
        self.check_output(model)
    }

    /// The update rule with clipping by value and its exemptions.
    pub(crate) fn update(&self) -> Update {
        let clip_value = match self.clip {
            Some(Clip::Value(limit)) => Some(limit),
            _ => None,
        };
        Update { optimizer: self.optimizer, clip_value, decay_biases: self.decay_biases }
    }

    /// Losses on logits allow only the output activation that they imply.
    fn check_output(&self, model: &Sequential) -> Result<()> {
        let output = model.layers.last().map_or(Activation::Linear, |layer| layer.activation);
        let allowed = self.loss.output_activations();
        if allowed.is_empty() || allowed.contains(&output) {
            return Ok(());
        }
        let names: Vec<_> = allowed.iter().map(|activation| activation.name()).collect();
        let (loss, names) = (self.loss, names.join(" or "));
        Err(Error::spec("output activation", format!("{loss} needs {names} at the output, got {output}")))
    }
}
