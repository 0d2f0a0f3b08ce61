use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Normalizes a layer's sums to mean 0 and variance 1 before its activation; then each unit has a trained scale and
/// shift: `n = scale (z - mean) / sqrt(variance + epsilon) + shift`. Scales start at 1, shifts at 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Norm {
    /// Each unit over the rows of a batch (Ioffe and Szegedy, "Batch normalization", ICML 2015), as PyTorch's
    /// `nn.BatchNorm1d`. Evaluation and prediction use running statistics instead, which each training step moves
    /// towards the batch's mean and unbiased variance by the fraction `momentum`.
    Batch {
        /// The fraction by which a step moves the running statistics; PyTorch's default is 0.1.
        momentum: f32,
        /// Added to the variance; PyTorch's default is 1e-5.
        epsilon: f32,
    },
    /// Each row over its units (Ba, Kiros and Hinton, "Layer normalization", 2016), as PyTorch's `nn.LayerNorm`; the same
    /// in training and evaluation.
    Layer {
        /// Added to the variance; PyTorch's default is 1e-5.
        epsilon: f32,
    },
}

impl Norm {
    /// Batch norm with PyTorch's defaults.
    pub const BATCH: Self = Self::Batch { momentum: 0.1, epsilon: EPSILON };
    /// Layer norm with PyTorch's defaults.
    pub const LAYER: Self = Self::Layer { epsilon: EPSILON };

    /// Added to the variance.
    pub fn epsilon(self) -> f32 {
        match self {
            Self::Batch { epsilon, .. } | Self::Layer { epsilon } => epsilon,
        }
    }

    pub(super) fn validate(self, field: &str) -> Result<()> {
        let epsilon = self.epsilon();
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(Error::spec(format!("{field}.epsilon"), format!("must be above 0, got {epsilon}")));
        }
        match self {
            Self::Batch { momentum, .. } if !(0.0..=1.0).contains(&momentum) => {
                Err(Error::spec(format!("{field}.momentum"), format!("must be from 0 to 1, got {momentum}")))
            }
            _ => Ok(()),
        }
    }
}

const EPSILON: f32 = 1e-5;
