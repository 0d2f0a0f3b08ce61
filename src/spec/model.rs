use serde::{Deserialize, Serialize};

use super::{Init, Norm};
use crate::error::{Error, Result};
use crate::ops::Activation;
use crate::tensor::{MAX_WIDTH, Role};

/// A dense layer, `y = activation(W x + b)`, W of shape (O, I), b of shape (O), with optional norm, residual and dropout:
///
/// ```text
/// z = W x + b;  n = norm(z);  a = activation(n) + the output of an earlier layer;  y = dropout(a)
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseSpec {
    /// O, the number of outputs.
    pub units: usize,
    /// The activation.
    pub activation: Activation,
    /// The initialization of the weights.
    pub init: Init,
    /// The norm between the sums and the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<Norm>,
    /// Adds the output of the layer this many places back, which must have the same width; 1 is the layer's own input (He
    /// et al., "Deep residual learning", CVPR 2016).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<usize>,
    /// The fraction of outputs that training sets to zero, drawn in each step. The others are divided by 1 - dropout, so that
    /// the mean is the same in evaluation (Srivastava et al., JMLR 2014, in the inverted form of PyTorch).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f32,
}

impl DenseSpec {
    /// A layer without norm, residual and dropout.
    pub fn new(units: usize, activation: Activation, init: Init) -> Self {
        Self { units, activation, init, norm: None, residual: None, dropout: 0.0 }
    }
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// A model: a stack of dense layers.
///
/// ```
/// use wgrad::{Activation::*, Sequential};
/// let model = Sequential::new(784).dense(128, Relu).dense(10, Linear);
/// assert_eq!(model.parameters(), 784 * 128 + 128 + 128 * 10 + 10);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequential {
    /// I of the first layer: numbers per sample.
    pub inputs: usize,
    /// The layers, first to last.
    pub layers: Vec<DenseSpec>,
}

impl Sequential {
    /// A model without layers for samples of `inputs` numbers.
    pub fn new(inputs: usize) -> Self {
        Self { inputs, layers: Vec::new() }
    }

    /// Adds a dense layer with the default initialization for its activation.
    #[must_use]
    pub fn dense(self, units: usize, activation: Activation) -> Self {
        self.dense_with(units, activation, activation.default_init())
    }

    /// Adds a dense layer with a given initialization.
    #[must_use]
    pub fn dense_with(mut self, units: usize, activation: Activation, init: Init) -> Self {
        self.layers.push(DenseSpec::new(units, activation, init));
        self
    }

    /// Adds a batch norm with PyTorch's defaults before the last layer's activation.
    ///
    /// ```
    /// use wgrad::{Activation::*, Sequential};
    /// let block = |model: Sequential| model.dense(64, Relu).batch_norm().residual(1).dropout(0.2);
    /// let model = block(block(Sequential::new(784).dense(64, Relu))).dense(10, Linear);
    /// assert!(model.validate().is_ok());
    /// ```
    #[must_use]
    pub fn batch_norm(self) -> Self {
        self.norm(Norm::BATCH)
    }

    /// Adds a layer norm with PyTorch's defaults before the last layer's activation.
    #[must_use]
    pub fn layer_norm(self) -> Self {
        self.norm(Norm::LAYER)
    }

    /// Adds a norm before the last layer's activation.
    #[must_use]
    pub fn norm(self, norm: Norm) -> Self {
        self.with_last(|layer| layer.norm = Some(norm))
    }

    /// Adds the output of the layer `layers_back` places before the last one, which must have the same width, to the last
    /// layer's activation; 1 is its own input.
    #[must_use]
    pub fn residual(self, layers_back: usize) -> Self {
        self.with_last(|layer| layer.residual = Some(layers_back))
    }

    /// Adds dropout of this rate to the last layer.
    #[must_use]
    pub fn dropout(self, rate: f32) -> Self {
        self.with_last(|layer| layer.dropout = rate)
    }

    /// Changes the last layer. Without any, adds one without units, which [`Sequential::validate`] rejects.
    fn with_last(mut self, change: impl FnOnce(&mut DenseSpec)) -> Self {
        if self.layers.is_empty() {
            self = self.dense(0, Activation::Linear);
        }
        if let Some(layer) = self.layers.last_mut() {
            change(layer);
        }
        self
    }

    /// Outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(self.inputs, |layer| layer.units)
    }

    /// (O, I) of every layer.
    pub fn shapes(&self) -> impl Iterator<Item = (usize, usize)> {
        let inputs = std::iter::once(self.inputs).chain(self.layers.iter().map(|layer| layer.units));
        self.layers.iter().map(|layer| layer.units).zip(inputs)
    }

    /// The number of parameters: weights, biases, and the norms' scales and shifts.
    pub fn parameters(&self) -> usize {
        let trained = self.tensors().into_iter().filter(|own| own.tensor.role == Role::Parameter);
        trained.map(|own| own.tensor.len()).sum()
    }

    /// Whether a layer has a batch norm, which needs at least two rows in every batch.
    pub fn has_batch_norm(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.norm, Some(Norm::Batch { .. })))
    }

    /// The widths, as in `784-128-10`.
    pub fn architecture(&self) -> String {
        let widths = std::iter::once(self.inputs).chain(self.layers.iter().map(|layer| layer.units));
        widths.map(|width| width.to_string()).collect::<Vec<_>>().join("-")
    }

    /// The widths without the output layer, as in `784-128`.
    pub fn hidden_architecture(&self) -> String {
        let mut hidden = self.clone();
        hidden.layers.pop();
        hidden.architecture()
    }

    /// Checks widths, norms, residuals, dropout and the position of softmax.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the layer.
    pub fn validate(&self) -> Result<()> {
        check_width("inputs", self.inputs)?;
        if self.layers.is_empty() {
            return Err(Error::spec("layers", "the model has none; add at least the output layer"));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            if layer.units == 0 && *layer != DenseSpec::new(0, layer.activation, layer.init) {
                let reason = "has a norm, residual or dropout before the first layer; give it to the layer it is for";
                return Err(Error::spec("layers", reason));
            }
            check_width(&format!("layers.{index}.units"), layer.units)?;
            layer.init.validate(&format!("layers.{index}.init"))?;
            if layer.activation == Activation::Softmax && index + 1 < self.layers.len() {
                let field = format!("layers.{index}.activation");
                return Err(Error::spec(field, "softmax is for the output layer only"));
            }
            if layer.activation.needs_sum() && index + 1 == self.layers.len() {
                let reason = format!("{} is for hidden layers only; use linear at the output", layer.activation);
                return Err(Error::spec("output activation", reason));
            }
            self.check_tail(index)?;
        }
        Ok(())
    }

    /// Norm, residual and dropout of a layer.
    fn check_tail(&self, index: usize) -> Result<()> {
        let layer = &self.layers[index];
        let field = |what: &str| format!("layers.{index}.{what}");
        if index + 1 == self.layers.len() {
            let set = [("norm", layer.norm.is_some()), ("residual", layer.residual.is_some())];
            let set = set.into_iter().chain([("dropout", layer.dropout != 0.0)]).find(|(_, set)| *set);
            return set.map_or(Ok(()), |(what, _)| {
                Err(Error::spec(field(what), format!("the output layer has no {what}; it is for hidden layers")))
            });
        }
        if !(0.0..1.0).contains(&layer.dropout) {
            return Err(Error::spec(
                field("dropout"),
                format!("must be at least 0 and below 1, got {}", layer.dropout),
            ));
        }
        layer.norm.map_or(Ok(()), |norm| norm.validate(&field("norm")))?;
        let Some(back) = layer.residual else { return Ok(()) };
        let wrong = |reason: String| Err(Error::spec(field("residual"), reason));
        match back {
            0 => wrong("0 would be the layer itself; give 1 for its input, or more".to_owned()),
            _ if index == 0 => wrong("the first layer has no layer before it; leave it out".to_owned()),
            _ if back > index => wrong(format!("{back} layers back there is no layer; give at most {index}")),
            _ => match self.layers[index - back].units {
                units if units == layer.units => Ok(()),
                units => wrong(format!(
                    "layer {} has {units} units, this one {}: widths must agree",
                    index - back,
                    layer.units
                )),
            },
        }
    }
}

fn check_width(field: &str, width: usize) -> Result<()> {
    match width {
        1..=MAX_WIDTH => Ok(()),
        0 => Err(Error::spec(field, "a layer needs at least 1 unit, got 0")),
        _ => Err(Error::spec(field, format!("{width} is more than the {MAX_WIDTH} that a layer may have"))),
    }
}
