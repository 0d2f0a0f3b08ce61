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

/// One replica's hyper-parameters at one step, as every device gets them: f32, complements rounded once from f64.
/// The layout is WGSL's `struct Hyper`; a test compares the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Hyper {
    pub learning_rate: f32,
    pub weight_decay: f32,
    pub momentum: f32,
    pub momentum_complement: f32,
    /// Adam's step size and what the root of the second moment is multiplied by.
    pub correction: [f32; 2],
    pub reserved: [f32; 2],
}

impl Hyper {
    /// The hyper-parameters of `replica` at optimizer step `number`, counted from 1.
    pub fn at(replica: &Replica, optimizer: Optimizer, number: u32) -> Self {
        let Replica { learning_rate, weight_decay, momentum, .. } = *replica;
        let momentum_complement = complement(shortest(momentum));
        let correction = optimizer.correction(replica, number);
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

    /// The bias corrections of optimizer step `number`, t from 1, each as the factor that it comes to and rounded once:
    /// learning_rate / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
    fn correction(self, replica: &Replica, number: u32) -> [f32; 2] {
        let learning_rate = replica.learning_rate;
        match self {
            Self::Sgd { .. } => [learning_rate, 1.0],
            Self::Adam { beta2, .. } => {
                let complement = |beta: f64| 1.0 - beta.powf(f64::from(number));
                let rate = shortest(learning_rate) / complement(shortest(replica.momentum));
                [rate as f32, (1.0 / complement(beta2).sqrt()) as f32]
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

    /// Updates parameters from their gradients; `state` has [`Optimizer::slots`] parts as long as `values`.
    #[inline(always)]
    pub(crate) fn update<T: Scalar>(self, values: &mut [T], gradients: &[T], state: [&mut [T]; 2], hyper: &Hyper) {
        let [first, second] = state;
        match self {
            Self::Sgd { nesterov } => {
                for ((value, gradient), velocity) in values.iter_mut().zip(gradients).zip(first) {
                    let gradient = *gradient + T::real(hyper.weight_decay) * *value;
                    (*value, *velocity) = sgd::updated(nesterov, *value, *velocity, gradient, hyper);
                }
            }
            Self::Adam { beta2, epsilon } => {
                let shared = adam::Shared::new(beta2, epsilon);
                let moments = first.iter_mut().zip(second);
                for ((value, gradient), (first, second)) in values.iter_mut().zip(gradients).zip(moments) {
                    let gradient = *gradient + T::real(hyper.weight_decay) * *value;
                    (*value, *first, *second) = shared.updated(*value, [*first, *second], gradient, hyper);
                }
            }
        }
    }
}
