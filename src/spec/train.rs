use serde::{Deserialize, Serialize};

use super::{Augment, LossOptions, Sequential};
use crate::error::{Error, Result};
use crate::ops::optimizer::Optimizer;
use crate::ops::{Activation, Loss};

/// Replicas whose hyper-parameters fit the table that WGSL reserves for them.
pub const MAX_REPLICAS: usize = 1024;

/// The optimizer with the hyper-parameters that all replicas share, and the base values of those that each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSpec {
    /// Which update rule.
    pub optimizer: Optimizer,
    /// Step size.
    pub learning_rate: f32,
    /// L2: `weight_decay * w` is added to every parameter's gradient, as in PyTorch's SGD and Adam.
    pub weight_decay: f32,
    /// SGD's momentum, Adam's beta 1.
    pub momentum: f32,
}

/// Stochastic gradient descent: v = momentum v + g, w = w - learning_rate v (PyTorch's `torch.optim.SGD`).
#[derive(Clone, Copy, Debug)]
pub struct Sgd(OptimizerSpec);

impl Sgd {
    /// Plain gradient descent with this learning rate.
    pub fn new(learning_rate: f32) -> Self {
        let optimizer = Optimizer::Sgd { nesterov: false };
        Self(OptimizerSpec { optimizer, learning_rate, weight_decay: 0.0, momentum: 0.0 })
    }

    /// With momentum.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.0.momentum = momentum;
        self
    }

    /// Looks ahead: w = w - learning_rate (g + momentum v) (Nesterov; Sutskever et al., ICML 2013).
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        self.0.optimizer = Optimizer::Sgd { nesterov: true };
        self
    }

    /// With L2 weight decay.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f32) -> Self {
        self.0.weight_decay = weight_decay;
        self
    }
}

/// Adam (Kingma and Ba, ICLR 2015) with PyTorch's defaults: betas 0.9 and 0.999, epsilon 1e-8.
#[derive(Clone, Copy, Debug)]
pub struct Adam(OptimizerSpec);

impl Adam {
    /// Adam with this learning rate.
    pub fn new(learning_rate: f32) -> Self {
        let optimizer = Optimizer::Adam { beta2: 0.999, epsilon: 1e-8 };
        Self(OptimizerSpec { optimizer, learning_rate, weight_decay: 0.0, momentum: 0.9 })
    }

    /// Decay rates of the first and second moment.
    #[must_use]
    pub fn betas(mut self, beta1: f32, beta2: f64) -> Self {
        if let Optimizer::Adam { epsilon, .. } = self.0.optimizer {
            self.0.optimizer = Optimizer::Adam { beta2, epsilon };
        }
        self.0.momentum = beta1;
        self
    }

    /// With L2 weight decay, added to the gradient.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f32) -> Self {
        self.0.weight_decay = weight_decay;
        self
    }
}

impl From<Sgd> for OptimizerSpec {
    fn from(sgd: Sgd) -> Self {
        sgd.0
    }
}

impl From<Adam> for OptimizerSpec {
    fn from(adam: Adam) -> Self {
        adam.0
    }
}

/// What one of R models trained side by side has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// Seeds its initial weights and the order of its samples.
    pub seed: u64,
    /// Step size.
    pub learning_rate: f32,
    /// L2 weight decay.
    pub weight_decay: f32,
    /// SGD's momentum, Adam's beta 1.
    pub momentum: f32,
    /// L1: `l1 * sign(w)` is added to the gradient of what decays, sign(0) being 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub l1: f32,
    /// Its own dropout rate, in place of that of each layer that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f32>,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Replica {
    /// A replica with the optimizer's own hyper-parameters.
    pub fn new(seed: u64, optimizer: &OptimizerSpec) -> Self {
        let OptimizerSpec { learning_rate, weight_decay, momentum, .. } = *optimizer;
        Self { seed, learning_rate, weight_decay, momentum, l1: 0.0, dropout: None }
    }

    fn validate(&self, optimizer: Optimizer) -> Result<()> {
        let Self { learning_rate, weight_decay, momentum, l1, dropout, .. } = *self;
        if !(learning_rate.is_finite() && learning_rate >= 0.0) {
            return Err(Error::spec(
                "learning rate",
                format!("must be a finite number of at least 0, got {learning_rate}"),
            ));
        }
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return Err(Error::spec(
                "weight decay",
                format!("must be a finite number of at least 0, got {weight_decay}"),
            ));
        }
        if !(l1.is_finite() && l1 >= 0.0) {
            return Err(Error::spec("l1", format!("must be a finite number of at least 0, got {l1}")));
        }
        if let Some(rate) = dropout.filter(|rate| !(0.0..1.0).contains(rate)) {
            return Err(Error::spec("dropout", format!("must be at least 0 and below 1, got {rate}")));
        }
        if !(0.0..1.0).contains(&momentum) {
            return Err(Error::spec("momentum", format!("must be at least 0 and below 1, got {momentum}")));
        }
        match optimizer {
            Optimizer::Sgd { nesterov: true } if momentum == 0.0 => {
                Err(Error::spec("momentum", "Nesterov needs a momentum above 0"))
            }
            _ => Ok(()),
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
}

impl TrainSpec {
    /// Everything else as it is unless told otherwise: a new order each epoch, pixels brought into [0, 1].
    pub fn new(loss: Loss, optimizer: Optimizer, batch: usize, replicas: Vec<Replica>) -> Self {
        let loss_options = LossOptions::default();
        let (shuffle, pixel_scale, noise, augment) = (true, 1.0 / 255.0, 0.0, None);
        Self { loss, loss_options, optimizer, batch, replicas, shuffle, pixel_scale, noise, augment }
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
        if self.replicas.is_empty() || self.replicas.len() > MAX_REPLICAS {
            let got = self.replicas.len();
            return Err(Error::spec("replicas", format!("must be 1 to {MAX_REPLICAS}, got {got}")));
        }
        if let Optimizer::Adam { beta2, epsilon } = self.optimizer {
            if !(0.0..1.0).contains(&beta2) {
                return Err(Error::spec("beta2", format!("must be at least 0 and below 1, got {beta2}")));
            }
            if !(epsilon.is_finite() && epsilon > 0.0) {
                return Err(Error::spec("epsilon", format!("must be above 0, got {epsilon}")));
            }
        }
        if !self.pixel_scale.is_finite() {
            return Err(Error::spec("pixel scale", format!("must be finite, got {}", self.pixel_scale)));
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Err(Error::spec("noise", format!("must be a finite number of at least 0, got {}", self.noise)));
        }
        self.augment.iter().try_for_each(|augment| augment.validate(model))?;
        self.replicas.iter().try_for_each(|replica| replica.validate(self.optimizer))?;
        self.loss_options.validate(self.loss, model)?;
        self.check_output(model)
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
