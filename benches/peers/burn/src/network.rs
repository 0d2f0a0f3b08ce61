//! The multilayer perceptron.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;

/// Dense layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Network {
    layers: Vec<Linear>,
}

impl Network {
    /// `widths` are inputs, hidden units, classes.
    pub fn new(widths: &[usize], device: &Device) -> Self {
        let layers = widths.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect();
        Self { layers }
    }

    /// Logits (B, O) of inputs (B, I).
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let mut x = inputs;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(if index == 0 { x } else { relu(x) });
        }
        x
    }
}
