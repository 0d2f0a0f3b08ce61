use super::{Activation, Input, Param};
use crate::tensor::TensorId;

/// The extents of a dense layer's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dense {
    /// B, rows a batch has at most.
    pub batch: usize,
    /// I, inputs.
    pub inputs: usize,
    /// O, outputs.
    pub outputs: usize,
}

impl Dense {
    /// The fields of `Params` that all dense shaders share.
    pub fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("batch", Param::Unsigned(self.batch)),
            ("inputs", Param::Unsigned(self.inputs)),
            ("outputs", Param::Unsigned(self.outputs)),
        ]
    }

    /// Multiply-adds of one product over the whole batch, counted as two.
    pub fn flops(&self) -> u64 {
        2 * self.batch as u64 * self.inputs as u64 * self.outputs as u64
    }
}

/// A dense layer as its forward pass sees it: `activation(input weightᵀ + bias)`.
#[derive(Clone, Debug)]
pub(crate) struct DenseLayer {
    pub dense: Dense,
    pub input: Input,
    /// (R, O, I)
    pub weight: TensorId,
    /// (R, O)
    pub bias: TensorId,
    pub activation: Activation,
}
