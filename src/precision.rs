//! What numbers are stored as.

use serde::{Deserialize, Serialize};

/// What the outputs of hidden layers, and the gradients by outputs and sums of all layers, are stored as. Computed with is
/// f32 always; parameters and their gradients, optimizer states, running statistics, losses and metrics are stored as f32
/// always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats (IEEE 754 binary16): half the memory and traffic of what they store, of which each number is rounded to
    /// 11 bits. On a GPU it takes `SHADER_F16`.
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
