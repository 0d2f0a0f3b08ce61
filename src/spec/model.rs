use serde::{Deserialize, Serialize};

use super::Init;
use crate::error::{Error, Result};
use crate::ops::Activation;

/// The widest layer and the longest input row that a spec may ask for; far beyond any binding limit, it keeps sizes
/// from overflowing before the limits are checked.
const MAX_WIDTH: usize = 1 << 24;

/// One dense layer: `a = activation(W x + b)`, W of shape (O, I), b of shape (O).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseSpec {
    /// O, the layer's outputs.
    pub units: usize,
    /// What is applied to the sums.
    pub activation: Activation,
    /// How the weights start.
    pub init: Init,
}

/// A stack of dense layers: what a model is.
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

    /// Adds a dense layer with the initialization that suits its activation.
    #[must_use]
    pub fn dense(self, units: usize, activation: Activation) -> Self {
        self.dense_with(units, activation, activation.default_init())
    }

    /// Adds a dense layer with a chosen initialization.
    #[must_use]
    pub fn dense_with(mut self, units: usize, activation: Activation, init: Init) -> Self {
        self.layers.push(DenseSpec { units, activation, init });
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

    /// Trained numbers: weights and biases.
    pub fn parameters(&self) -> usize {
        self.shapes().map(|(outputs, inputs)| outputs * inputs + outputs).sum()
    }

    /// `784-128-10`.
    pub fn architecture(&self) -> String {
        let widths = std::iter::once(self.inputs).chain(self.layers.iter().map(|layer| layer.units));
        widths.map(|width| width.to_string()).collect::<Vec<_>>().join("-")
    }

    /// Checks widths and the place of softmax.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the layer.
    pub fn validate(&self) -> Result<()> {
        check_width("inputs", self.inputs)?;
        if self.layers.is_empty() {
            return Err(Error::spec("layers", "the model has none; add at least the output layer"));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            check_width(&format!("layers.{index}.units"), layer.units)?;
            if layer.activation == Activation::Softmax && index + 1 < self.layers.len() {
                let field = format!("layers.{index}.activation");
                return Err(Error::spec(field, "softmax is for the output layer only"));
            }
        }
        Ok(())
    }
}

fn check_width(field: &str, width: usize) -> Result<()> {
    match width {
        1..=MAX_WIDTH => Ok(()),
        0 => Err(Error::spec(field, "a layer needs at least 1 unit, got 0")),
        _ => Err(Error::spec(field, format!("{width} is more than the {MAX_WIDTH} that a layer may have"))),
    }
}
