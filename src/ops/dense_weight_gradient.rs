//! `weight_gradient = output_gradientᵀ input` and `bias_gradient = sum over the batch of output_gradient`, with the
//! optimizer's update of both: shapes (R, O, I) = (R, B, O)ᵀ (R, B, I) and (R, O).

use ndarray::ArrayViewMut2;
use rayon::prelude::*;

use super::optimizer::Optimizer;
use super::{
    Constant, Dense, Hyper, Input, InputKind, ModuleConstants, Operation, Param, Shader, Variant, matmul, shader,
};
use crate::cpu::{Memory, UNIT_SHARD, matrix, shard, vectorized};
use crate::plan::{Iteration, TensorId};
use crate::scalar::Scalar;

pub(super) static SHADER: Shader = shader!("dense_weight_gradient", "iteration", "input", "optimizer", "matmul");

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
        let Dense { inputs, outputs, .. } = self.dense;
        let mut constants = vec![self.input.constant(), matmul::alignment(outputs, inputs)];
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

    fn product(&self) -> Option<(Dense, InputKind)> {
        Some((self.dense, self.input.kind))
    }

    fn grid(&self, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        matmul::grid(self.dense.outputs, self.dense.inputs + 1, variant, module)
    }

    fn flops(&self) -> u64 {
        self.dense.flops()
    }

    fn run<T: Scalar>(&self, memory: &mut Memory<T>, iteration: &Iteration, hypers: &[Hyper]) {
        let Dense { batch, inputs, .. } = self.dense;
        self.input.gather(memory, iteration, [hypers.len(), batch, inputs], false);
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
    weight_state: [&'a mut [T]; 2],
    bias_state: [&'a mut [T]; 2],
}

impl DenseWeightGradient {
    /// Stores the gradients of output units `first..` of replica `r`, as many as `bias` holds: (units, I) and (units).
    fn gradients<T: Scalar>(
        &self,
        memory: &Memory<T>,
        rows: usize,
        [r, first]: [usize; 2],
        weight: &mut [T],
        bias: &mut [T],
    ) {
        let Dense { batch, inputs, outputs } = self.dense;
        let x = matrix(self.input.rows(memory, r, [batch, inputs], 0..rows), rows, inputs);
        let all = matrix(&memory.real(self.output_gradient)[r * batch * outputs..], rows, outputs);
        let own = all.slice_move(ndarray::s![.., first..first + bias.len()]);
        if let Ok(product) = ArrayViewMut2::from_shape((bias.len(), inputs), weight) {
            T::matmul(own.t(), x, product);
        }
        for (sum, column) in bias.iter_mut().zip(own.columns()) {
            *sum = T::sum(column.iter().copied());
        }
    }

    fn store_gradient<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        weight: TensorId,
        bias: TensorId,
    ) {
        let Dense { inputs, outputs, .. } = self.dense;
        let (mut weights, mut biases) = (memory.take(weight), memory.take(bias));
        let replicas = weights.chunks_mut(outputs * inputs).zip(biases.chunks_mut(outputs)).enumerate();
        for (r, (weights, biases)) in replicas {
            self.gradients(memory, iteration.rows as usize, [r, 0], weights, biases);
        }
        memory.put(weight, weights);
        memory.put(bias, biases);
    }

    fn update<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        hypers: &[Hyper],
        tensors: [TensorId; 4],
        optimizer: Optimizer,
    ) {
        let [mut weight, mut bias, mut weight_state, mut bias_state] = tensors.map(|id| memory.take(id));
        let shards = self.shards(optimizer.slots(), &mut weight, &mut bias, &mut weight_state, &mut bias_state);
        let rows = iteration.rows as usize;
        shards.into_par_iter().for_each(|shard| {
            let units = shard.bias.len();
            memory.with_scratch(shard.weight.len() + units, |scratch| {
                let (weights, biases) = scratch.split_at_mut(shard.weight.len());
                self.gradients(memory, rows, [shard.r, shard.first], weights, biases);
                let hyper = &hypers[shard.r];
                vectorized(
                    #[inline(always)]
                    || {
                        optimizer.update(shard.weight, weights, shard.weight_state, hyper);
                        optimizer.update(shard.bias, biases, shard.bias_state, hyper);
                    },
                );
            });
        });
        for (id, values) in tensors.into_iter().zip([weight, bias, weight_state, bias_state]) {
            memory.put(id, values);
        }
    }

    /// Cuts parameters and states into shards of output units of one replica.
    fn shards<'a, T>(
        &self,
        slots: usize,
        weight: &'a mut [T],
        bias: &'a mut [T],
        weight_state: &'a mut [T],
        bias_state: &'a mut [T],
    ) -> Vec<Shard<'a, T>> {
        let Dense { inputs, outputs, .. } = self.dense;
        let units = shard(outputs, UNIT_SHARD);
        let mut shards = Vec::new();
        let replicas = weight
            .chunks_mut(outputs * inputs)
            .zip(bias.chunks_mut(outputs))
            .zip(weight_state.chunks_mut(slots * outputs * inputs).zip(bias_state.chunks_mut(slots * outputs)))
            .enumerate();
        for (r, ((weight, bias), (weight_state, bias_state))) in replicas {
            let mut weight_states = slot_shards(weight_state, outputs * inputs, units * inputs);
            let mut bias_states = slot_shards(bias_state, outputs, units);
            let parts = weight.chunks_mut(units * inputs).zip(bias.chunks_mut(units)).enumerate();
            shards.extend(parts.map(|(index, (weight, bias))| {
                let weight_state = weight_states.each_mut().map(|parts| parts.next().unwrap_or_default());
                let bias_state = bias_states.each_mut().map(|parts| parts.next().unwrap_or_default());
                Shard { r, first: index * units, weight, bias, weight_state, bias_state }
            }));
        }
        shards
    }
}

/// The shards of each of a state's slots; a second slot that there is not has none.
fn slot_shards<T>(state: &mut [T], slot: usize, shard: usize) -> [std::slice::ChunksMut<'_, T>; 2] {
    let (first, second) = state.split_at_mut(slot);
    [first.chunks_mut(shard), second.chunks_mut(shard)]
}
