//! What comes after a dense layer's sums z, where a layer has more than a plain activation:
//! `n = norm(z)`, `y = (activation(n) + residual) * kept`, shapes (R, B, O). `kept` is what dropout multiplies by: 0, or
//! 1 / (1 - rate), drawn for rows in quads, since a block of random words is four (`shaders/include/tail.wgsl`).

use std::ops::Range;

use ndarray::{ArrayViewMut2, Axis};

use super::{Activation, Hyper, ModuleConstants, Param};
use crate::host::{Compute, Memory, Scratch, in_chunks, join, share, tasks, vectorized};
use crate::random::{Purpose, step_word_lanes, unit_of};
use crate::scalar::Scalar;
use crate::tensor::{Iteration, TensorId};

/// Rows that share a block of random words.
pub(super) const QUAD: usize = 4;
/// Units whose random words are drawn at a time on the CPU.
const LANES: usize = 16;
/// Floating-point operations that an element costs, about.
const COST: u64 = 16;
/// Columns that a cut falls on.
const COLUMNS: usize = 16;

/// What all steps of a layer's tail share.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    /// B
    pub batch: usize,
    /// O
    pub outputs: usize,
    /// z, (R, B, O)
    pub sums: TensorId,
    pub activation: Activation,
    /// In training, of a layer that has it.
    pub dropout: Option<Dropout>,
}

/// Which outputs are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dropout {
    /// The layer's rate; a replica may have its own.
    pub rate: f32,
    /// Tells the layers' draws apart.
    pub layer: usize,
}

impl Tail {
    /// The fields of `Params` that all tail shaders begin with.
    pub fn params(&self) -> Vec<(&'static str, Param)> {
        let Dropout { rate, layer } = self.dropout.unwrap_or(Dropout { rate: 0.0, layer: 0 });
        vec![
            ("batch", Param::Unsigned(self.batch)),
            ("outputs", Param::Unsigned(self.outputs)),
            ("activation", self.activation.param()),
            ("dropout", Param::Float(rate)),
            ("dropped", flag(self.dropout.is_some())),
            ("layer", Param::Unsigned(layer)),
        ]
    }

    /// Workgroups of kernels with an invocation for each unit of a quad.
    pub fn elementwise_grid(&self, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.outputs.div_ceil(module.value("GROUP") as usize), self.batch.div_ceil(QUAD)]
    }

    /// Workgroups of kernels that sum over rows.
    pub fn column_grid(&self, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.outputs.div_ceil(module.value("COLUMNS") as usize), 1]
    }

    /// Workgroups of kernels with a workgroup for each quad.
    pub fn row_grid(&self) -> [usize; 2] {
        [self.batch.div_ceil(QUAD), 1]
    }

    pub fn flops(&self) -> u64 {
        COST * (self.batch * self.outputs) as u64
    }

    /// How many tasks the work is worth.
    pub fn tasks(&self) -> usize {
        tasks(self.flops())
    }

    /// Rows of a task: whole quads.
    pub fn part_rows(&self, rows: usize) -> usize {
        rows.div_ceil(self.tasks()).next_multiple_of(QUAD)
    }

    /// The sums of row `row`, of these columns.
    #[inline(always)]
    pub fn sums<'a, T: Compute>(&self, memory: &'a Memory<T>, row: usize, columns: Range<usize>) -> &'a [T] {
        &memory.real(self.sums)[row * self.outputs..][columns]
    }

    /// Both numbers of each unit, of these columns of a tensor (2, O).
    pub fn pair<'a, T: Compute>(&self, memory: &'a Memory<T>, id: TensorId, columns: Range<usize>) -> [&'a [T]; 2] {
        let (first, second) = memory.real(id).split_at(self.outputs);
        [&first[columns.clone()], &second[columns]]
    }

    /// Hands every part of the live rows of `values` (B, O) to `body`, in parallel, with its first row.
    pub fn for_parts<T: Scalar>(&self, values: &mut [T], iteration: &Iteration, body: impl Fn(usize, &mut [T]) + Sync) {
        let rows = iteration.rows as usize;
        let part = self.part_rows(rows);
        let live = &mut values[..rows * self.outputs];
        in_chunks([live], [part * self.outputs], &|n, [values]| body(n * part, values));
    }

    /// Rows of n from row `first` on, (rows, O), become y, rounded to f16 if they are stored so (`half`).
    pub fn finish<T: Compute>(
        &self,
        memory: &Memory<T>,
        step: (&Iteration, &Hyper),
        first: usize,
        (residual, half): (Option<TensorId>, bool),
        values: &mut [T],
    ) {
        vectorized(
            #[inline(always)]
            || {
                for (n, row) in values.chunks_mut(self.outputs).enumerate() {
                    self.activation.apply(row);
                    if let Some(residual) = residual {
                        let added = &memory.real(residual)[(first + n) * self.outputs..][..self.outputs];
                        row.iter_mut().zip(added).for_each(|(y, x)| *y = *y + *x);
                    }
                }
            },
        );
        self.drop(memory, step, first, 0..self.outputs, values);
        if half {
            vectorized(
                #[inline(always)]
                || round(half, values),
            );
        }
    }

    /// Gradients by y, rows from row `first` on, (rows, O), become those by activation(n) + residual.
    pub fn incoming<T: Compute>(
        &self,
        memory: &Memory<T>,
        step: (&Iteration, &Hyper),
        first: usize,
        skipped: Option<TensorId>,
        values: &mut [T],
    ) {
        if let Some(skipped) = skipped {
            let own = &memory.real(skipped)[first * self.outputs..][..values.len()];
            values.iter_mut().zip(own).for_each(|(g, s)| *g = *g + *s);
        }
        self.drop(memory, step, first, 0..self.outputs, values);
    }

    /// What [`Tail::drop`] borrows.
    pub fn scratch(&self) -> Scratch {
        if self.dropout.is_some() { Scratch::of(1, &[QUAD, self.outputs]) } else { Scratch::default() }
    }

    /// Multiplies rows from row `first` on, a multiple of four, (rows, columns), by what dropout says.
    pub fn drop<T: Compute>(
        &self,
        memory: &Memory<T>,
        (iteration, hyper): (&Iteration, &Hyper),
        first: usize,
        columns: Range<usize>,
        values: &mut [T],
    ) {
        let Some(dropout) = self.dropout else { return };
        let width = columns.len();
        memory.with_scratch(QUAD * width, |kept| {
            for (n, rows) in values.chunks_mut(QUAD * width).enumerate() {
                let block = (first / QUAD + n) * self.outputs + columns.start;
                vectorized(
                    #[inline(always)]
                    || {
                        dropout.kept(hyper, iteration.number, block, width, kept);
                        rows.iter_mut().zip(kept.iter()).for_each(|(value, kept)| *value = *value * *kept);
                    },
                );
            }
        });
    }
}

impl Dropout {
    /// What dropout multiplies a quad's rows by, (4, width); their random words begin at a block.
    #[inline(always)]
    fn kept<T: Scalar>(self, hyper: &Hyper, number: u32, block: usize, width: usize, kept: &mut [T]) {
        let rate = if hyper.dropout < 0.0 { self.rate } else { hyper.dropout };
        let scale = T::one() / (T::one() - T::real(rate));
        let seed = u64::from(hyper.seed_low) | u64::from(hyper.seed_high) << 32;
        let mut rows = quad_rows(kept, width);
        for start in (0..width).step_by(LANES) {
            let end = width.min(start + LANES);
            let counter = [number, self.layer as u32];
            let words = step_word_lanes::<LANES>(seed, (block + start) as u32, counter, Purpose::Dropout);
            for (row, words) in rows.iter_mut().zip(&words) {
                for (kept, word) in row[start..end].iter_mut().zip(words) {
                    *kept = if unit_of(*word) >= rate { scale } else { T::zero() };
                }
            }
        }
    }
}

/// The four rows of a quad.
#[inline(always)]
fn quad_rows<T>(kept: &mut [T], width: usize) -> [&mut [T]; QUAD] {
    let (upper, lower) = kept.split_at_mut(2 * width);
    let ((first, second), (third, fourth)) = (upper.split_at_mut(width), lower.split_at_mut(width));
    [first, second, third, fourth]
}

/// Where the gradient by a residual goes: to that of its source, (R, B, O), which the last of the layers that add it
/// writes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Passed {
    pub tensor: TensorId,
    /// Whether there is the gradient of a later layer that adds it too.
    pub more: bool,
}

impl Passed {
    /// The value of `Params`' field, by the name of WGSL's constant.
    pub fn param(passed: Option<Self>) -> Param {
        Param::Named(match passed {
            None => "pass_nothing",
            Some(Self { more: false, .. }) => "pass_first",
            Some(Self { more: true, .. }) => "pass_more",
        })
    }

    /// Hands gradients on, the live rows of (B, O).
    pub fn pass_on<T: Compute>(self, memory: &mut Memory<T>, tail: &Tail, iteration: &Iteration, gradient: &[T]) {
        let half = memory.is_half(self.tensor);
        let mut passed = memory.take(self.tensor);
        tail.for_parts(&mut passed, iteration, |first, part| {
            let own = &gradient[first * tail.outputs..][..part.len()];
            match self.more {
                true => part.iter_mut().zip(own).for_each(|(all, g)| *all = *g + *all),
                false => part.copy_from_slice(own),
            }
            if half {
                vectorized(
                    #[inline(always)]
                    || round(half, part),
                );
            }
        });
        memory.put(self.tensor, passed);
    }
}

/// Rounds numbers to f16 where they are stored so (`half`).
#[inline(always)]
pub(super) fn round<T: Scalar>(half: bool, values: &mut [T]) {
    if half {
        values.iter_mut().for_each(|value| *value = value.half());
    }
}

/// A flag in `Params`.
pub(super) fn flag(on: bool) -> Param {
    Param::Unsigned(usize::from(on))
}

/// Cuts matrices of `width` columns between columns into tasks and hands those to `body`, in parallel, with their first
/// column.
pub(super) fn in_columns<T: Send, const N: usize>(
    matrices: [&mut [T]; N],
    width: usize,
    tasks: usize,
    body: &(impl Fn(usize, [ArrayViewMut2<T>; N]) + Sync),
) {
    let matrices = matrices
        .map(|values| ArrayViewMut2::from_shape((values.len() / width, width), values).expect("there are whole rows"));
    columns_from(0, matrices, tasks, body);
}

fn columns_from<T: Send, const N: usize>(
    start: usize,
    matrices: [ArrayViewMut2<T>; N],
    tasks: usize,
    body: &(impl Fn(usize, [ArrayViewMut2<T>; N]) + Sync),
) {
    let columns = matrices[0].ncols();
    if tasks < 2 || columns <= COLUMNS {
        return body(start, matrices);
    }
    let at = share(columns, COLUMNS, tasks);
    let mut halves = matrices.map(|matrix| {
        let (first, second) = matrix.split_at(Axis(1), at);
        (first, Some(second))
    });
    let second = halves.each_mut().map(|half| half.1.take().expect("each was put there just now"));
    let first = halves.map(|half| half.0);
    join(|| columns_from(start, first, tasks / 2, body), || columns_from(start + at, second, tasks - tasks / 2, body));
}

/// The rows of a matrix whose rows are contiguous.
#[inline(always)]
pub(super) fn rows_mut<'a, T>(matrix: &'a mut ArrayViewMut2<T>) -> impl Iterator<Item = &'a mut [T]> {
    matrix.axis_iter_mut(Axis(0)).filter_map(|row| row.into_slice())
}
