//! `weight_gradient = output_gradientᵀ input` and `bias_gradient = sum over the batch of output_gradient`, with the
//! optimizer's update of both: shapes (R, O, I) = (R, B, O)ᵀ (R, B, I) and (R, O).

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::optimizer::{Optimizer, Parameter};
use super::{Constant, Dense, Hyper, Input, ModuleConstants, Operation, Param, Shader, Variant, matmul, shader};
use crate::cpu::{Memory, UNIT_SHARD, matrix};
use crate::plan::{Iteration, TensorId};
use crate::scalar::Scalar;

pub(super) static SHADER: Shader =
    shader!("dense_weight_gradient", "iteration", "activation", "input", "optimizer", "matmul");

/// Where a weight gradient goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Destination {
    /// Into gradient tensors: (R, O, I) and (R, O).
    Gradient { weight: TensorId, bias: TensorId },
    /// Into the parameters, through an optimizer with states (R, S, O, I) and (R, S, O).
    Update { weight: TensorId, bias: TensorId, weight_state: TensorId, bias_state: TensorId, optimizer: Optimizer },
}

/// A dense layer's weight and bias gradient, and its update.
#[derive(Clone, Debug)]
pub(crate) struct DenseWeightGradient {
    pub dense: Dense,
    pub input: Input,
    /// (R, B, O)
    pub output_gradient: TensorId,
    pub destination: Destination,
}

impl Operation for DenseWeightGradient {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn variants(&self) -> &'static [Variant] {
        matmul::MATMUL_VARIANTS
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        let mut constants = vec![self.input.constant()];
        match self.destination {
            Destination::Gradient { .. } => constants.push(("OPTIMIZER", Constant::named("gradient"))),
            Destination::Update { optimizer, .. } => {
                constants.push(("OPTIMIZER", Constant::named(optimizer.name())));
                let own = optimizer.constants().into_iter().map(|(name, value)| (name, Constant::Number(value)));
                constants.extend(own);
            }
        }
        constants
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let slots = match self.destination {
            Destination::Gradient { .. } => 0,
            Destination::Update { optimizer, .. } => optimizer.slots(),
        };
        let own = [("slots", Param::Unsigned(slots))];
        self.dense.params().into_iter().chain(self.input.params()).chain(own).collect()
    }

    fn arguments(&self) -> Vec<(&'static str, TensorId)> {
        // Without an update the states are not touched: the gradients stand in for them, so that the layout is one.
        let (weight, bias, weight_state, bias_state) = match self.destination {
            Destination::Gradient { weight, bias } => (weight, bias, weight, bias),
            Destination::Update { weight, bias, weight_state, bias_state, .. } => {
                (weight, bias, weight_state, bias_state)
            }
        };
        let own = [
            ("output_gradient", self.output_gradient),
            ("weight", weight),
            ("bias", bias),
            ("weight_state", weight_state),
            ("bias_state", bias_state),
        ];
        self.input.arguments().into_iter().chain(own).collect()
    }

    fn grid(&self, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        matmul::grid(self.dense.outputs, self.dense.inputs + 1, variant, module)
    }

    fn flops(&self) -> u64 {
        self.dense.flops()
    }

    fn run<T: Scalar>(&self, memory: &mut Memory<T>, iteration: &Iteration, hypers: &[Hyper]) {
        match self.destination {
            Destination::Gradient { weight, bias } => self.store_gradient(memory, iteration, weight, bias),
            Destination::Update { weight, bias, weight_state, bias_state, optimizer } => {
                let tensors = [weight, bias, weight_state, bias_state];
                self.update(memory, iteration, hypers, tensors, optimizer);
            }
        }
    }
}

/// What a shard of output units of one replica owns while it is updated.
struct Shard<'a, T> {
    r: usize,
    first: usize,
    weight: &'a mut [T],
    bias: &'a mut [T],
    weight_state: Vec<&'a mut [T]>,
    bias_state: Vec<&'a mut [T]>,
}

impl DenseWeightGradient {
    /// The gradients of output units `first..first + units` of replica `r`: (units, I) and (units).
    fn gradients<T: Scalar>(
        &self,
        memory: &Memory<T>,
        iteration: &Iteration,
        x: ArrayView2<T>,
        r: usize,
        first: usize,
        units: usize,
    ) -> (Array2<T>, Vec<T>) {
        let Dense { batch, inputs, outputs } = self.dense;
        let rows = iteration.rows as usize;
        let all = matrix(&memory.real(self.output_gradient)[r * batch * outputs..], rows, outputs);
        let own = all.slice_move(ndarray::s![.., first..first + units]);
        let mut weight = Array2::from_elem((units, inputs), T::zero());
        T::matmul(own.t(), x, weight.view_mut());
        let bias = own.columns().into_iter().map(|column| T::sum(column.iter().copied())).collect();
        (weight, bias)
    }

    fn replica_input<'a, T: Scalar>(
        &self,
        memory: &'a Memory<T>,
        iteration: &Iteration,
        r: usize,
    ) -> std::borrow::Cow<'a, [T]> {
        let Dense { batch, inputs, .. } = self.dense;
        self.input.rows(memory, iteration, r, [batch, inputs], 0..iteration.rows as usize)
    }

    fn store_gradient<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        weight: TensorId,
        bias: TensorId,
    ) {
        let Dense { inputs, outputs, .. } = self.dense;
        for r in 0..memory.real(bias).len() / outputs {
            let x = self.replica_input(memory, iteration, r);
            let x = matrix(&x, iteration.rows as usize, inputs);
            let (weights, biases) = self.gradients(memory, iteration, x, r, 0, outputs);
            let weights = weights.into_raw_vec_and_offset().0;
            memory.real_mut(weight)[r * outputs * inputs..][..outputs * inputs].copy_from_slice(&weights);
            memory.real_mut(bias)[r * outputs..][..outputs].copy_from_slice(&biases);
        }
    }

    fn update<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        hypers: &[Hyper],
        tensors: [TensorId; 4],
        optimizer: Optimizer,
    ) {
        let Dense { inputs, .. } = self.dense;
        let [mut weight, mut bias, mut weight_state, mut bias_state] = tensors.map(|id| memory.take(id));
        {
            let memory = &*memory;
            let inputs_of: Vec<_> =
                (0..hypers.len()).into_par_iter().map(|r| self.replica_input(memory, iteration, r)).collect();
            let shards = self.shards(optimizer.slots(), &mut weight, &mut bias, &mut weight_state, &mut bias_state);
            shards.into_par_iter().for_each(|mut shard| {
                let x = matrix(&inputs_of[shard.r], iteration.rows as usize, inputs);
                let units = shard.bias.len();
                let (weights, biases) = self.gradients(memory, iteration, x, shard.r, shard.first, units);
                let hyper = &hypers[shard.r];
                let weights = weights.as_slice().unwrap_or(&[]);
                update_all(optimizer, shard.weight, weights, &mut shard.weight_state, hyper);
                update_all(optimizer, shard.bias, &biases, &mut shard.bias_state, hyper);
            });
        }
        for (id, values) in tensors.into_iter().zip([weight, bias, weight_state, bias_state]) {
            memory.put(id, values);
        }
    }

    /// Cuts parameters and states into shards of [`UNIT_SHARD`] output units of one replica.
    fn shards<'a, T>(
        &self,
        slots: usize,
        weight: &'a mut [T],
        bias: &'a mut [T],
        weight_state: &'a mut [T],
        bias_state: &'a mut [T],
    ) -> Vec<Shard<'a, T>> {
        let Dense { inputs, outputs, .. } = self.dense;
        let mut shards = Vec::new();
        let replicas = weight
            .chunks_mut(outputs * inputs)
            .zip(bias.chunks_mut(outputs))
            .zip(weight_state.chunks_mut(slots * outputs * inputs).zip(bias_state.chunks_mut(slots * outputs)))
            .enumerate();
        for (r, ((weight, bias), (weight_state, bias_state))) in replicas {
            let first_shard = shards.len();
            let parts = weight.chunks_mut(UNIT_SHARD * inputs).zip(bias.chunks_mut(UNIT_SHARD)).enumerate();
            for (index, (weight, bias)) in parts {
                let (weight_state, bias_state) = (Vec::new(), Vec::new());
                shards.push(Shard { r, first: index * UNIT_SHARD, weight, bias, weight_state, bias_state });
            }
            for slot in weight_state.chunks_mut(outputs * inputs) {
                let parts = slot.chunks_mut(UNIT_SHARD * inputs);
                shards[first_shard..].iter_mut().zip(parts).for_each(|(shard, part)| shard.weight_state.push(part));
            }
            for slot in bias_state.chunks_mut(outputs) {
                let parts = slot.chunks_mut(UNIT_SHARD);
                shards[first_shard..].iter_mut().zip(parts).for_each(|(shard, part)| shard.bias_state.push(part));
            }
        }
        shards
    }
}

/// Updates parameters from their gradients, with one or two state numbers each.
fn update_all<T: Scalar>(
    optimizer: Optimizer,
    values: &mut [T],
    gradients: &[T],
    state: &mut [&mut [T]],
    hyper: &Hyper,
) {
    match state {
        [first] => {
            for ((value, gradient), s) in values.iter_mut().zip(gradients).zip(first.iter_mut()) {
                let before = Parameter { value: *value, state: [*s, T::zero()] };
                let after = optimizer.update(before, *gradient, hyper);
                (*value, *s) = (after.value, after.state[0]);
            }
        }
        [first, second] => {
            let states = first.iter_mut().zip(second.iter_mut());
            for ((value, gradient), (s, t)) in values.iter_mut().zip(gradients).zip(states) {
                let before = Parameter { value: *value, state: [*s, *t] };
                let after = optimizer.update(before, *gradient, hyper);
                (*value, [*s, *t]) = (after.value, after.state);
            }
        }
        _ => debug_assert!(false, "an optimizer keeps one or two numbers a parameter"),
    }
}
