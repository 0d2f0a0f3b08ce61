//! The arguments of `wgrad train` that say what the hidden layers have beside their sums and activations.

use clap::{Args, ValueEnum};
use wgrad::{DenseSpec, Norm};

use crate::args;

/// What each hidden layer has.
#[derive(Args)]
pub struct LayerArgs {
    /// Share of each hidden layer's outputs that training sets to zero, drawn anew for each sample and step.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = args::rate::<f32>, allow_hyphen_values = true)]
    dropout: f32,
    /// Normalize the sums of hidden layers before their activation: over the batch, or over the layer.
    #[arg(long, value_enum, value_name = "KIND")]
    norm: Option<NormName>,
    /// Add to each hidden layer's outputs the outputs of the one before, where the two are as wide.
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
