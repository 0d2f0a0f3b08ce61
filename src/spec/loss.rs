use serde::{Deserialize, Serialize};

use super::Sequential;
use crate::error::{Error, Result};
use crate::ops::{Loss, LossWeights};

/// Options of a loss. Weights of single samples belong to the dataset ([`crate::Dataset::with_weights`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossOptions {
    /// Of softmax cross-entropy, s in [0, 1): targets become `(1 - s) y + s / O` (Szegedy et al., CVPR 2016; PyTorch's
    /// `CrossEntropyLoss(label_smoothing=s)`). The default is 0.
    pub label_smoothing: f32,
    /// Of the Huber loss: the error up to which it is quadratic. The default is 1.
    pub huber_delta: f32,
    /// Class weights, (O), or (2) for a single output; none by default. With classes as targets the
    /// loss is `sum(w * loss) / sum(w)` over the batch, where w is the weight of a sample's class times the sample's own.
    /// With probabilities, which only softmax cross-entropy takes, the weights are factors of the terms, and the mean is
    /// over the rows. Both are PyTorch's `CrossEntropyLoss(weight=w)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f32>,
}

impl Default for LossOptions {
    fn default() -> Self {
        Self { label_smoothing: 0.0, huber_delta: 1.0, class_weights: Vec::new() }
    }
}

impl LossOptions {
    /// Whether all options have their defaults.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks each option, and that the loss supports it.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the option.
    pub(crate) fn validate(&self, loss: Loss, model: &Sequential) -> Result<()> {
        let Self { label_smoothing, huber_delta, class_weights } = self;
        if !(0.0..1.0).contains(label_smoothing) {
            return Err(Error::spec(
                "label smoothing",
                format!("must be at least 0 and below 1, got {label_smoothing}"),
            ));
        }
        if *label_smoothing > 0.0 && loss != Loss::SoftmaxCrossEntropy {
            return Err(Error::spec("label smoothing", format!("is for softmax_cross_entropy, the loss is {loss}")));
        }
        if !(huber_delta.is_finite() && *huber_delta > 0.0) {
            return Err(Error::spec("huber delta", format!("must be finite and above 0, got {huber_delta}")));
        }
        if *huber_delta != 1.0 && loss != Loss::Huber {
            return Err(Error::spec("huber delta", format!("is for huber, the loss is {loss}")));
        }
        let classes = LossWeights::classes(model.outputs());
        if !class_weights.is_empty() && class_weights.len() != classes {
            let got = class_weights.len();
            return Err(Error::spec(
                "class weights",
                format!("one for each of {classes} classes is needed, got {got}"),
            ));
        }
        if let Some(class) = class_weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let weight = class_weights[class];
            let reason = format!("class {class} has {weight}; every weight must be finite and at least 0");
            return Err(Error::spec("class weights", reason));
        }
        if !class_weights.is_empty() && class_weights.iter().all(|weight| *weight == 0.0) {
            return Err(Error::spec(
                "class weights",
                "all are 0, so that no sample counts; give some a weight above 0",
            ));
        }
        Ok(())
    }
}
