//! Optimizers: the update that ends a weight gradient. Formulas in WGSL are in `shaders/include/optimizer.wgsl`.

mod adam;
mod sgd;

use serde::{Deserialize, Serialize};

use crate::plan::Iteration;
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
    /// After the schedule.
    pub learning_rate: f32,
    /// Coupled weight decay: lambda. Decoupled: the factor 1 - learning_rate * lambda.
    pub decay: f32,
    /// What `sign(w)` is multiplied by on its way into the gradient.
    pub l1: f32,
    /// The replica's own dropout rate, or [`Hyper::LAYERS_DROPOUT`] for that of each layer.
    pub dropout: f32,
    pub momentum: f32,
    pub momentum_complement: f32,
    /// What an optimizer wants computed once a step; Adam: its step size, and what the second moment's root is
    /// multiplied by.
    pub correction_x: f32,
    pub correction_y: f32,
    pub correction_z: f32,
    /// What a row of weight 1 counts in the batch's loss: 1 / the sum of the rows' weights, which is 1 / rows without any.
    pub loss_scale: f32,
    /// The replica's seed, the key of its random numbers.
    pub seed_low: u32,
    pub seed_high: u32,
}

impl Hyper {
    /// The same for a batch whose rows' weights have this sum. Where no row counts, nothing does.
    pub fn with_weight(self, weight: f64) -> Self {
        Self { loss_scale: if weight == 0.0 { 0.0 } else { (1.0 / weight) as f32 }, ..self }
    }

    /// The value of `dropout` that leaves each layer its own rate.
    pub const LAYERS_DROPOUT: f32 = -1.0;

    /// The replica's seed.
    pub fn seed(&self) -> u64 {
        u64::from(self.seed_low) | u64::from(self.seed_high) << 32
    }

    /// The hyper-parameters of `replica` in an iteration, whose optimizer steps are counted from 1.
    pub fn at(replica: &Replica, optimizer: Optimizer, iteration: &Iteration) -> Self {
        let Replica { seed, learning_rate, weight_decay, momentum, l1, dropout } = *replica;
        let [correction_x, correction_y] = optimizer.correction(replica, iteration.number);
        Self {
            learning_rate,
            decay: weight_decay,
            l1,
            dropout: dropout.unwrap_or(Self::LAYERS_DROPOUT),
            momentum,
            momentum_complement: complement(shortest(momentum)),
            correction_x,
            correction_y,
            correction_z: 1.0,
            loss_scale: (1.0 / f64::from(iteration.rows)) as f32,
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
        }
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
        // Which penalties there are is decided here, once, and not for each parameter.
        let decay = T::real(hyper.decay);
        if hyper.l1 == 0.0 {
            self.update_with(values, gradients, state, hyper, |gradient, value| gradient + decay * value);
        } else {
            let l1 = T::real(hyper.l1);
            let penalized = |gradient, value| gradient + decay * value + l1 * sign(value);
            self.update_with(values, gradients, state, hyper, penalized);
        }
    }

    #[inline(always)]
    fn update_with<T: Scalar>(
        self,
        values: &mut [T],
        gradients: &[T],
        [first, second]: [&mut [T]; 2],
        hyper: &Hyper,
        penalized: impl Fn(T, T) -> T,
    ) {
        match self {
            Self::Sgd { nesterov } => {
                for ((value, gradient), velocity) in values.iter_mut().zip(gradients).zip(first) {
                    let gradient = penalized(*gradient, *value);
                    (*value, *velocity) = sgd::updated(nesterov, *value, *velocity, gradient, hyper);
                }
            }
            Self::Adam { beta2, epsilon } => {
                let shared = adam::Shared::new(beta2, epsilon);
                let moments = first.iter_mut().zip(second);
                for ((value, gradient), (first, second)) in values.iter_mut().zip(gradients).zip(moments) {
                    let gradient = penalized(*gradient, *value);
                    (*value, *first, *second) = shared.updated(*value, [*first, *second], gradient, hyper);
                }
            }
        }
    }
}

/// 1, -1 or 0, as `value` is above, below or equal to zero.
#[inline(always)]
fn sign<T: Scalar>(value: T) -> T {
    let zero = T::zero();
    value.if_above(zero, T::one(), (-value).if_above(zero, -T::one(), zero))
}
