//! Storage precision.

use serde::{Deserialize, Serialize};

/// Storage of the outputs of hidden layers, and of the gradients with respect to outputs and sums of all layers. All
/// arithmetic is f32, and so is the storage of parameters and their gradients, optimizer state, running statistics, losses and
/// metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats (IEEE 754 binary16): half the memory and traffic, with values rounded to 11 bits. Requires `SHADER_F16`
    /// on a GPU.
    F16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::F16];

    /// In reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
