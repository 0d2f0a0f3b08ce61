use serde::{Deserialize, Serialize};

use super::{Augment, LossOptions, Precision, Sequential};
use crate::error::{Error, Result};
use crate::ops::optimizer::{MAX_REPLICAS, Optimizer, Replica, Update};
use crate::ops::{Activation, Loss};

/// Limits on gradients, before the update rule and its penalties see them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Each number of the gradient is cut to this absolute value, as PyTorch's `clip_grad_value_` does.
    Value(f32),
    /// The gradients of all parameters of a replica are scaled so that their norm is at most this, as PyTorch's
    /// `clip_grad_norm_` does. Gradients are then stored, and updates are steps of their own.
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

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// What is minimized.
    pub loss: Loss,
    /// What tunes the loss: label smoothing, Huber's delta, class weights.
    #[serde(default, skip_serializing_if = "LossOptions::is_default")]
    pub loss_options: LossOptions,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Samples a step; the last step of an epoch takes what is left.
    pub batch: usize,
    /// The R models; one is ordinary training.
    pub replicas: Vec<Replica>,
    /// Whether each epoch visits the samples in a new order.
    pub shuffle: bool,
    /// What u8 samples are multiplied by; 1/255 brings pixels into [0, 1].
    pub pixel_scale: f32,
    /// Standard deviation of the Gaussian noise that training adds to its inputs, after pixels have been scaled (Bishop,
    /// "Training with noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f32,
    /// How training moves and bends its images, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Limits on gradients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// The norm of each unit's incoming weights is kept within this after each step, as Keras' `MaxNorm` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f32>,
    /// Whether weight decay and L1 are for biases and the parameters of norms too, as they are in PyTorch unless these
    /// are put into a parameter group of their own.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub decay_biases: bool,
    /// How many of the first layers keep their weights: no step computes their gradients.
    #[serde(default, skip_serializing_if = "is_none_frozen")]
    pub frozen: usize,
    /// What layers hand on to each other is stored as, in training and when the model is evaluated or applied.
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
    /// Everything else as it is unless told otherwise: a new order each epoch, pixels brought into [0, 1].
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

    /// Checks every field, and that the loss can follow the model's output activation.
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

    /// What stands between gradients and parameters.
    pub(crate) fn update(&self) -> Update {
        let clip_value = match self.clip {
            Some(Clip::Value(limit)) => Some(limit),
            _ => None,
        };
        Update { optimizer: self.optimizer, clip_value, decay_biases: self.decay_biases }
    }

    /// Losses that take logits allow only the activation that they imply at the output.
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
