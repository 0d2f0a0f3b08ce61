//! Optimizers: the update that ends a weight gradient. Formulas in WGSL are in `shaders/include/optimizer.wgsl`.

mod adam;
mod sgd;

use serde::{Deserialize, Serialize};

use crate::scalar::Scalar;
use crate::spec::Replica;

/// The update rule, with what all replicas share of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Stochastic gradient descent; momentum is each replica's own.
    Sgd {
        /// Whether the step looks ahead along the velocity.
        nesterov: bool,
    },
    /// Adam; beta 1 is each replica's momentum.
    Adam {
        /// Decay rate of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f32,
    },
}

/// A parameter with its optimizer state, as far as the optimizer has any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter<T> {
    pub value: T,
    pub state: [T; 2],
}

/// One replica's hyper-parameters at one step, as every device gets them: f32, complements rounded once from f64.
/// The layout is WGSL's `struct Hyper`; a test compares the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Hyper {
    pub learning_rate: f32,
    pub weight_decay: f32,
    pub momentum: f32,
    pub momentum_complement: f32,
    pub correction: [f32; 2],
    pub reserved: [f32; 2],
}

impl Hyper {
    /// The hyper-parameters of `replica` at optimizer step `number`, counted from 1.
    pub fn at(replica: &Replica, optimizer: Optimizer, number: u32) -> Self {
        let Replica { learning_rate, weight_decay, momentum, .. } = *replica;
        let momentum_complement = complement(shortest(momentum));
        let correction = optimizer.correction(momentum, number);
        Self { learning_rate, weight_decay, momentum, momentum_complement, correction, reserved: [0.0; 2] }
    }
}

/// The decimal that a person wrote, rather than its f32 neighbour: 0.9 and not 0.89999998.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn complement(value: f64) -> f32 {
    (1.0 - value) as f32
}

impl Optimizer {
    /// The name on the command line and, in capitals, in WGSL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
        }
    }

    /// Numbers that it keeps per parameter.
    pub fn slots(self) -> usize {
        match self {
            Self::Sgd { .. } => 1,
            Self::Adam { .. } => 2,
        }
    }

    /// The bias corrections of optimizer step `number` (from 1) for a momentum: 1 - beta1^t and sqrt(1 - beta2^t).
    fn correction(self, momentum: f32, number: u32) -> [f32; 2] {
        match self {
            Self::Sgd { .. } => [1.0, 1.0],
            Self::Adam { beta2, .. } => {
                let power = |beta: f64| 1.0 - beta.powf(f64::from(number));
                [power(shortest(momentum)) as f32, power(beta2).sqrt() as f32]
            }
        }
    }

    /// Values of the WGSL constants that specialize the update.
    pub(crate) fn constants(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Sgd { nesterov } => vec![("NESTEROV", f64::from(u8::from(nesterov)))],
            Self::Adam { beta2, epsilon } => vec![
                ("BETA_2", f64::from(beta2 as f32)),
                ("BETA_2_COMPLEMENT", f64::from(complement(beta2))),
                ("EPSILON", f64::from(epsilon)),
            ],
        }
    }

    /// The parameter after one update by `gradient`.
    pub(crate) fn update<T: Scalar>(self, before: Parameter<T>, gradient: T, hyper: &Hyper) -> Parameter<T> {
        let gradient = gradient + T::real(hyper.weight_decay) * before.value;
        match self {
            Self::Sgd { nesterov } => sgd::update(nesterov, before, gradient, hyper),
            Self::Adam { beta2, epsilon } => {
                adam::update([beta2 as f32, complement(beta2)], epsilon, before, gradient, hyper)
            }
        }
    }
}
