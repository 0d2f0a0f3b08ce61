//! The arguments of `wgrad train` that say what the hidden layers have beside their sums and activations.

use clap::{Args, ValueEnum};
use wgrad::{Norm, Sequential};

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

    /// The model, whose last hidden layer has just been added, with what that layer is to have.
    pub fn dressed(&self, mut model: Sequential) -> Sequential {
        let widths: Vec<usize> = model.layers.iter().rev().take(2).map(|layer| layer.units).collect();
        if let Some(norm) = self.norm {
            model = model.norm(match norm {
                NormName::Batch => Norm::BATCH,
                NormName::Layer => Norm::LAYER,
            });
        }
        if self.residual && matches!(widths[..], [own, before] if own == before) {
            model = model.residual(1);
        }
        if self.dropout > 0.0 { model.dropout(self.dropout) } else { model }
    }
}
