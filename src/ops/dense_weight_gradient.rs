//! `weight_gradient = output_gradientᵀ input` and `bias_gradient = sum over the batch of output_gradient`, with the
//! optimizer's update of both: shapes (R, O, I) = (R, B, O)ᵀ (R, B, I) and (R, O).

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::optimizer::{SLOTS, Update, split_slots, state_slots};
use super::{
    Argument, Constant, Dense, Hyper, Input, InputKind, ModuleConstants, Operation, Param, Shader, SubgroupKernel,
    Variant, matmul, shader,
};
use crate::host::{
    Columns, Compute, Memory, Scratch, apart, apart_len, in_same_sets, join, matrix, prefetch, share, tasks,
    tasks_within, vectorized,
};
use crate::scalar::Scalar;
use crate::tensor::{Iteration, TensorId};

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

    fn arguments(&self) -> Vec<Argument> {
        let (weight, bias, [weight_state, bias_state]) = match self.destination {
            Destination::Gradient { weight, bias } => (weight, bias, [None; 2]),
            Destination::Update { weight, bias, weight_state, bias_state, .. } => {
                (weight, bias, [Some(weight_state), Some(bias_state)])
            }
        };
        let own = [
            ("output_gradient", Some(self.output_gradient)),
            ("first", Some(weight)),
            ("second", Some(bias)),
            ("first_state", weight_state),
            ("second_state", bias_state),
        ];
        self.input.arguments().into_iter().chain(own).collect()
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.output_gradient)
    }

    fn read(&self) -> Option<TensorId> {
        Some(self.input.tensor)
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

    fn scratch(&self, width: usize) -> Scratch {
        let Dense { batch, inputs, outputs } = self.dense;
        // Gradients between product and update, and a row of them where columns of samples are left out.
        let tile = (inputs * outputs).min(GRADIENTS_AT_ONCE + COLUMN_UNIT * outputs).max(outputs) + inputs;
        let gradients = Scratch::of(1, &[tile]);
        if !in_same_sets(outputs) {
            return gradients;
        }
        let own = (outputs.div_ceil(tasks_within(width, self.dense.flops())) + COLUMN_UNIT).min(outputs);
        gradients.larger(Scratch::of(2, &[apart_len((batch, own))]))
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        self.input.gather(memory, iteration, self.dense, false);
        match self.destination {
            Destination::Gradient { weight, bias } => self.store_gradient(memory, (iteration, hyper), weight, bias),
            Destination::Update { weight, bias, weight_state, bias_state, update } => {
                let tensors = [weight, bias, weight_state, bias_state];
                self.update(memory, iteration, hyper, tensors, &update);
            }
        }
    }
}

/// Output units, with all that their update writes.
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

/// What gradients are the product of.
#[derive(Clone, Copy)]
struct Operands<'a, T> {
    /// (rows, I), or some columns of that.
    x: ArrayView2<'a, T>,
    /// Which columns, if not all.
    columns: Option<&'a Columns>,
    /// (rows, O), or those of some units.
    gradient: ArrayView2<'a, T>,
}

impl<T: Scalar> Operands<'_, T> {
    /// The same of some units.
    fn of_units(&self, units: Range<usize>) -> Self {
        Self { gradient: self.gradient.slice_move(s![.., units]), ..*self }
    }
}

impl DenseWeightGradient {
    fn operands<'a, T: Compute>(&self, memory: &'a Memory<T>, rows: usize) -> Operands<'a, T> {
        let Dense { inputs, outputs, .. } = self.dense;
        let (x, columns) = self.input.rows(memory, inputs, 0..rows);
        Operands { x, columns, gradient: matrix(memory.real(self.output_gradient), rows, outputs) }
    }

    fn store_gradient<T: Compute>(
        &self,
        memory: &mut Memory<T>,
        (iteration, hyper): (&Iteration, &Hyper),
        weight: TensorId,
        bias: TensorId,
    ) {
        let Dense { inputs, outputs, .. } = self.dense;
        let (mut weights, mut biases) = (memory.take(weight), memory.take(bias));
        let Operands { x, columns, gradient } = self.operands(memory, iteration.rows as usize);
        T::column_sums(gradient, &mut biases);
        let kept = x.ncols();
        let product = ArrayViewMut2::from_shape((outputs, kept), &mut weights[..outputs * kept]);
        T::matmul(gradient.reversed_axes(), x, product.expect("the slice has just this length"));
        if let Some(columns) = columns {
            memory.with_scratch(kept, |own| {
                // The last unit first: its place is behind those of the others.
                for unit in (0..outputs).rev() {
                    own.copy_from_slice(&weights[unit * kept..(unit + 1) * kept]);
                    columns.spread(own, 0, &mut weights[unit * inputs..(unit + 1) * inputs]);
                }
            });
        }
        self.unscale(memory, hyper, &mut biases);
        self.unscale(memory, hyper, &mut weights);
        memory.put(weight, weights);
        memory.put(bias, biases);
    }

    fn update<T: Compute>(
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
        let operands = self.operands(memory, iteration.rows as usize);
        self.update_units(memory, operands, units, tasks(self.flops()), (update, hyper));
        for (id, values) in tensors.into_iter().zip([weight, bias, weight_state, bias_state]) {
            memory.put(id, values);
        }
    }

    /// Takes out of sums what the stored gradients were multiplied by, if anything.
    fn unscale<T: Compute>(&self, memory: &Memory<T>, hyper: &Hyper, sums: &mut [T]) {
        if memory.is_half(self.output_gradient) {
            let unscale = T::real(hyper.gradient_scale(true)[1]);
            sums.iter_mut().for_each(|sum| *sum = *sum * unscale);
        }
    }

    /// Updates units, in parallel.
    fn update_units<T: Compute>(
        &self,
        memory: &Memory<T>,
        operands: Operands<T>,
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
    fn update_shard<T: Compute>(
        &self,
        memory: &Memory<T>,
        operands: Operands<T>,
        units: Units<T>,
        (update, hyper): (&Update, &Hyper),
    ) {
        let count = units.bias.len();
        let own = operands.of_units(units.first..units.first + count);
        memory.with_scratch(count, |sums| {
            T::column_sums(own.gradient, sums);
            self.unscale(memory, hyper, sums);
            let bias_state = units.bias_state.map(|slot| &mut *slot);
            update.apply(units.bias, sums, bias_state, &update.hyper(hyper, true));
        });
        let weights = Weights { inputs: self.dense.inputs, values: units.weight, state: units.weight_state };
        let tile = tile_at_once(count, own.x.ncols());
        if tile[1] == own.x.ncols() || !in_same_sets(self.dense.outputs) {
            return self.update_weights(memory, own, weights, tile, (update, hyper));
        }
        // Every slice of inputs reads them anew.
        let Operands { x, columns, gradient } = own;
        memory.with_scratch(apart_len(gradient.dim()), |copy| {
            let own = Operands { x, columns, gradient: apart(gradient, copy) };
            self.update_weights(memory, own, weights, tile, (update, hyper));
        });
    }

    /// Updates the weights of all units of the operands, [units, inputs] of them at a time.
    fn update_weights<T: Compute>(
        &self,
        memory: &Memory<T>,
        operands: Operands<T>,
        mut weights: Weights<T>,
        tile: [usize; 2],
        (update, hyper): (&Update, &Hyper),
    ) {
        let (count, kept) = (operands.gradient.ncols(), operands.x.ncols());
        memory.with_scratch(tile[0] * tile[1] + weights.inputs, |scratch| {
            let (scratch, row) = scratch.split_at_mut(tile[0] * tile[1]);
            for start in (0..kept).step_by(tile[1]) {
                let places = start..kept.min(start + tile[1]);
                let x = operands.x.slice(s![.., places.clone()]);
                for above in (0..count).step_by(tile[0]) {
                    let rows = above..count.min(above + tile[0]);
                    let gradients = &mut scratch[..rows.len() * places.len()];
                    let product = ArrayViewMut2::from_shape((rows.len(), places.len()), &mut *gradients);
                    let gradient = operands.of_units(rows.clone()).gradient;
                    T::matmul(gradient.reversed_axes(), x, product.expect("the slice has just this length"));
                    self.unscale(memory, hyper, gradients);
                    let columns = operands.columns.map_or(places.clone(), |columns| columns.columns(places.clone()));
                    let row = &mut row[..columns.len()];
                    vectorized(
                        #[inline(always)]
                        || {
                            for (unit, gradients) in rows.zip(gradients.chunks_mut(places.len())) {
                                let gradients = match operands.columns {
                                    Some(kept) => {
                                        kept.spread(gradients, columns.start, row);
                                        &*row
                                    }
                                    None => gradients,
                                };
                                weights.update(unit, &columns, gradients, (update, hyper));
                            }
                        },
                    );
                }
            }
        });
    }
}

/// Weights of some units, (units, I), with their states, S times the same.
struct Weights<'a, T> {
    inputs: usize,
    values: &'a mut [T],
    state: [&'a mut [T]; SLOTS],
}

impl<T: Scalar> Weights<'_, T> {
    /// Updates the weights of one unit for some inputs.
    #[inline(always)]
    fn update(&mut self, unit: usize, inputs: &Range<usize>, gradients: &[T], (update, hyper): (&Update, &Hyper)) {
        let own = unit * self.inputs + inputs.start..unit * self.inputs + inputs.end;
        // The next unit's numbers are not next in memory, and of large layers in no cache.
        let next = own.start + self.inputs..own.end + self.inputs;
        prefetch(self.values.get(next.clone()).unwrap_or_default());
        let [first, second, third] = &mut self.state;
        for slot in [&**first, &**second, &**third] {
            prefetch(slot.get(next.clone()).unwrap_or_default());
        }
        let state = [
            first.get_mut(own.clone()).unwrap_or_default(),
            second.get_mut(own.clone()).unwrap_or_default(),
            third.get_mut(own.clone()).unwrap_or_default(),
        ];
        update.apply(&mut self.values[own], gradients, state, hyper);
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
const GRADIENTS_AT_ONCE: usize = 1 << 17;
/// The most units among them: each block of units copies the inputs anew.
const UNITS_AT_ONCE: usize = 512;
/// Columns of a product that microkernels take at once with the widest vectors.
const COLUMN_UNIT: usize = 64;
