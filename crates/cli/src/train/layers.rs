//! The arguments of `wgrad train` for norms, residuals and dropout of the hidden layers.

use clap::{Args, ValueEnum};
use wgrad::{DenseSpec, Norm};

use crate::args;

/// Parts of each hidden layer.
#[derive(Args)]
pub struct LayerArgs {
    /// Fraction of each hidden layer's outputs that training sets to zero, drawn for each sample and step.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = args::rate::<f32>, allow_hyphen_values = true)]
    dropout: f32,
    /// Normalize the sums of hidden layers before their activation: over the batch, or over the layer.
    #[arg(long, value_enum, value_name = "KIND")]
    norm: Option<NormName>,
    /// Add the previous hidden layer's outputs to each hidden layer's, where both have the same width.
    #[arg(long)]
    pub residual: bool,
}

/// Kinds of norm by name, with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NormName {
    Batch,
    Layer,
}

impl LayerArgs {
    /// The flags, and whether they say anything.
    pub fn given(&self) -> [(&'static str, bool); 3] {
        [("--dropout", self.dropout > 0.0), ("--norm", self.norm.is_some()), ("--residual", self.residual)]
    }

    /// A hidden layer with what it is to have, after one of the width `before`, if there is one.
    pub fn dressed(&self, layer: DenseSpec, before: Option<usize>) -> DenseSpec {
        let norm = self.norm.map(|norm| match norm {
            NormName::Batch => Norm::BATCH,
            NormName::Layer => Norm::LAYER,
        });
        let residual = (self.residual && before == Some(layer.units)).then_some(1);
        DenseSpec { norm, residual, dropout: self.dropout, ..layer }
    }
}
