//! `weight_gradient = output_gradientᵀ input` and `bias_gradient = sum over the batch of output_gradient`, with the
//! optimizer's update of both: shapes (R, O, I) = (R, B, O)ᵀ (R, B, I) and (R, O).

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::optimizer::{SLOTS, Update, split_slots, state_slots};
use super::{
    Constant, Dense, Hyper, Input, InputKind, ModuleConstants, Operation, Param, Shader, SubgroupKernel, Variant,
    matmul, shader,
};
use crate::cpu::{Memory, apart, apart_len, in_same_sets, join, matrix, prefetch, share, tasks, vectorized};
use crate::plan::{Iteration, TensorId};
use crate::scalar::Scalar;

pub(super) static SHADER: Shader =
    shader!("dense_weight_gradient", "stored", "iteration", "read", "input", "optimizer", "parameters", "matmul");

/// Where a weight gradient goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Destination {
    /// Into gradient tensors: (R, O, I) and (R, O).
    Gradient { weight: TensorId, bias: TensorId },
    /// Into the parameters, through an optimizer with states (R, S, O, I) and (R, S, O).
    Update { weight: TensorId, bias: TensorId, weight_state: TensorId, bias_state: TensorId, update: Update },
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

    fn subgroup(&self) -> Option<&'static SubgroupKernel> {
        Some(&matmul::MATMUL_SUBGROUP)
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        let Dense { inputs, outputs, .. } = self.dense;
        let mut constants = vec![self.input.constant(), matmul::alignment(outputs, inputs)];
        match self.destination {
            Destination::Gradient { .. } => constants.push(("OPTIMIZER", Constant::named("gradient"))),
            Destination::Update { update, .. } => constants.extend(update.constants()),
        }
        constants
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let own = match self.destination {
            Destination::Gradient { .. } => Update::NO_PARAMS,
            Destination::Update { update, .. } => update.params(),
        };
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
            ("first", weight),
            ("second", bias),
            ("first_state", weight_state),
            ("second_state", bias_state),
        ];
        self.input.arguments().into_iter().chain(own).collect()
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.output_gradient)
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

    fn run<T: Scalar>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let Dense { batch, inputs, .. } = self.dense;
        self.input.gather(memory, iteration, [batch, inputs], false);
        match self.destination {
            Destination::Gradient { weight, bias } => self.store_gradient(memory, (iteration, hyper), weight, bias),
            Destination::Update { weight, bias, weight_state, bias_state, update } => {
                let tensors = [weight, bias, weight_state, bias_state];
                self.update(memory, iteration, hyper, tensors, &update);
            }
        }
    }
}

/// Output units of one replica, with all that their update writes.
struct Units<'a, T> {
    first: usize,
    /// (units, I)
    weight: &'a mut [T],
    /// (units)
    bias: &'a mut [T],
    /// S times (units, I)
    weight_state: [&'a mut [T]; SLOTS],
    /// S times (units)
    bias_state: [&'a mut [T]; SLOTS],
}

impl<'a, T> Units<'a, T> {
    /// The first `units` of them, and the others.
    fn split(self, units: usize, inputs: usize) -> [Self; 2] {
        let (weight, other_weight) = self.weight.split_at_mut(units * inputs);
        let (bias, other_bias) = self.bias.split_at_mut(units);
        let (weight_state, other_weight_state) = split_slots(self.weight_state, units * inputs);
        let (bias_state, other_bias_state) = split_slots(self.bias_state, units);
        let other = Self {
            first: self.first + units,
            weight: other_weight,
            bias: other_bias,
            weight_state: other_weight_state,
            bias_state: other_bias_state,
        };
        [Self { first: self.first, weight, bias, weight_state, bias_state }, other]
    }
}

impl DenseWeightGradient {
    /// What the gradients of replica `r` are the product of: inputs (rows, I) and output gradients (rows, O).
    fn operands<'a, T: Scalar>(&self, memory: &'a Memory<T>, rows: usize, r: usize) -> [ArrayView2<'a, T>; 2] {
        let Dense { batch, inputs, outputs } = self.dense;
        let x = self.input.rows(memory, r, [batch, inputs], 0..rows);
        [matrix(x, rows, inputs), matrix(&memory.real(self.output_gradient)[r * batch * outputs..], rows, outputs)]
    }

    fn store_gradient<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        (iteration, hyper): (&Iteration, &Hyper),
        weight: TensorId,
        bias: TensorId,
    ) {
        let Dense { inputs, outputs, .. } = self.dense;
        let (mut weights, mut biases) = (memory.take(weight), memory.take(bias));
        let replicas = weights.chunks_mut(outputs * inputs).zip(biases.chunks_mut(outputs)).enumerate();
        for (r, (weights, biases)) in replicas {
            let [x, gradient] = self.operands(memory, iteration.rows as usize, r);
            T::column_sums(gradient, biases);
            if let Ok(product) = ArrayViewMut2::from_shape((outputs, inputs), &mut *weights) {
                T::matmul(gradient.reversed_axes(), x, product);
            }
            self.unscale(memory, hyper, biases);
            self.unscale(memory, hyper, weights);
        }
        memory.put(weight, weights);
        memory.put(bias, biases);
    }

    fn update<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        hyper: &Hyper,
        tensors: [TensorId; 4],
        update: &Update,
    ) {
        let Dense { inputs, outputs, .. } = self.dense;
        let [mut weight, mut bias, mut weight_state, mut bias_state] = tensors.map(|id| memory.take(id));
        let units = Units {
            first: 0,
            weight: &mut weight,
            bias: &mut bias,
            weight_state: state_slots(&mut weight_state, outputs * inputs, update),
            bias_state: state_slots(&mut bias_state, outputs, update),
        };
        let operands = self.operands(memory, iteration.rows as usize, 0);
        self.update_units(memory, operands, units, tasks(self.flops()), (update, hyper));
        for (id, values) in tensors.into_iter().zip([weight, bias, weight_state, bias_state]) {
            memory.put(id, values);
        }
    }

    /// Takes out of sums what the stored gradients were multiplied by, if anything.
    fn unscale<T: Scalar>(&self, memory: &Memory<T>, hyper: &Hyper, sums: &mut [T]) {
        if memory.is_half(self.output_gradient) {
            let unscale = T::real(hyper.gradient_scale(true)[1]);
            sums.iter_mut().for_each(|sum| *sum = *sum * unscale);
        }
    }

    /// Updates units, in parallel.
    fn update_units<T: Scalar>(
        &self,
        memory: &Memory<T>,
        operands: [ArrayView2<T>; 2],
        units: Units<T>,
        tasks: usize,
        rule: (&Update, &Hyper),
    ) {
        let count = units.bias.len();
        if tasks < 2 || count < 2 {
            return self.update_shard(memory, operands, units, rule);
        }
        let [first, others] = units.split(share(count, 1, tasks), self.dense.inputs);
        join(
            || self.update_units(memory, operands, first, tasks / 2, rule),
            || self.update_units(memory, operands, others, tasks - tasks / 2, rule),
        );
    }

    /// Updates units on this thread, so many inputs at a time that gradients stay in cache from product to update.
    fn update_shard<T: Scalar>(
        &self,
        memory: &Memory<T>,
        [x, gradient]: [ArrayView2<T>; 2],
        mut units: Units<T>,
        (update, hyper): (&Update, &Hyper),
    ) {
        let inputs = self.dense.inputs;
        let count = units.bias.len();
        let gradient = gradient.slice_move(s![.., units.first..units.first + count]);
        memory.with_scratch(count, |sums| {
            T::column_sums(gradient, sums);
            self.unscale(memory, hyper, sums);
            let bias_state = units.bias_state.each_mut().map(|slot| &mut **slot);
            update.apply(units.bias, sums, bias_state, &update.hyper(hyper, true));
        });
        let tile = tile_at_once(count, inputs);
        if tile[1] == inputs || !in_same_sets(self.dense.outputs) {
            return self.update_weights(memory, [x, gradient], units, tile, (update, hyper));
        }
        // Every slice of inputs reads them anew.
        memory.with_scratch(apart_len(gradient.dim()), |copy| {
            self.update_weights(memory, [x, apart(gradient, copy)], units, tile, (update, hyper));
        });
    }

    /// Updates weights, [units, inputs] of them at a time.
    fn update_weights<T: Scalar>(
        &self,
        memory: &Memory<T>,
        [x, gradient]: [ArrayView2<T>; 2],
        units: Units<T>,
        tile: [usize; 2],
        (update, hyper): (&Update, &Hyper),
    ) {
        let (count, inputs) = (units.bias.len(), self.dense.inputs);
        let [first, second, third] = units.weight_state;
        memory.with_scratch(tile[0] * tile[1], |scratch| {
            for start in (0..inputs).step_by(tile[1]) {
                let columns = start..inputs.min(start + tile[1]);
                let x = x.slice(s![.., columns.clone()]);
                for above in (0..count).step_by(tile[0]) {
                    let rows = above..count.min(above + tile[0]);
                    let gradients = &mut scratch[..rows.len() * columns.len()];
                    if let Ok(product) = ArrayViewMut2::from_shape((rows.len(), columns.len()), &mut *gradients) {
                        T::matmul(gradient.slice(s![.., rows.clone()]).reversed_axes(), x, product);
                    }
                    self.unscale(memory, hyper, gradients);
                    vectorized(
                        #[inline(always)]
                        || {
                            for (unit, gradients) in rows.zip(gradients.chunks(columns.len())) {
                                let own = unit * inputs + columns.start..unit * inputs + columns.end;
                                // The next unit's numbers are not next in memory, and of large layers in no cache.
                                let next = own.start + inputs..own.end + inputs;
                                prefetch(units.weight.get(next.clone()).unwrap_or_default());
                                for slot in [&*first, &*second, &*third] {
                                    prefetch(slot.get(next.clone()).unwrap_or_default());
                                }
                                let state = [
                                    first.get_mut(own.clone()).unwrap_or_default(),
                                    second.get_mut(own.clone()).unwrap_or_default(),
                                    third.get_mut(own.clone()).unwrap_or_default(),
                                ];
                                update.apply(&mut units.weight[own], gradients, state, hyper);
                            }
                        },
                    );
                }
            }
        });
    }
}

/// Units and inputs whose gradients fit the second level of cache. Few units, so that of each a long run of weights and
/// states is updated.
fn tile_at_once(units: usize, inputs: usize) -> [usize; 2] {
    let parts = (units * inputs).div_ceil(GRADIENTS_AT_ONCE);
    if parts < 2 {
        return [units, inputs];
    }
    let units = units.div_ceil(units.div_ceil(UNITS_AT_ONCE));
    let parts = (units * inputs).div_ceil(GRADIENTS_AT_ONCE);
    [units, inputs.div_ceil(parts).next_multiple_of(COLUMN_UNIT).min(inputs)]
}

/// Gradients of weights between product and update, on one thread: 512 KiB of f32, half of a large second level of cache.
pub(crate) const GRADIENTS_AT_ONCE: usize = 1 << 17;
/// The most units among them: each block of units copies the inputs anew.
const UNITS_AT_ONCE: usize = 512;
/// Columns of a product that microkernels take at once with the widest vectors.
pub(crate) const COLUMN_UNIT: usize = 64;
