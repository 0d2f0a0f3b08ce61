//! A layer's tail with batch norm, in training: mean and variance of each unit over the batch's rows,
//! `n = scale (z - mean) / sqrt(variance + epsilon) + shift`, `y = (activation(n) + residual) * kept`; shapes (R, B, O).
//!
//! The running statistics move `momentum` of the way to the mean and to the unbiased variance, as PyTorch's do. Source:
//! Ioffe and Szegedy, "Batch normalization", ICML 2015. With a single row the variance is 0; specs do not let it come to
//! that.

use ndarray::{ArrayViewMut2, s};

use super::tail::{Tail, flag, in_columns, rows_mut};
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader =
    shader!("batch_norm_forward", "stored", "iteration", "activation", "random", "tail", "tail_output", "columns");

/// A tail with batch norm.
#[derive(Clone, Debug)]
pub(crate) struct BatchNormForward {
    pub tail: Tail,
    pub momentum: f32,
    pub epsilon: f32,
    /// (R, 2, O): scale, shift
    pub scales: TensorId,
    /// (R, 2, O): running mean, variance
    pub running: TensorId,
    /// (R, 2, O): this batch's mean, 1 / sqrt(variance + epsilon)
    pub statistics: TensorId,
    /// (R, B, O)
    pub residual: Option<TensorId>,
    /// (R, B, O)
    pub output: TensorId,
}

impl Operation for BatchNormForward {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let own = [
            ("added", flag(self.residual.is_some())),
            ("epsilon", Param::Float(self.epsilon)),
            ("momentum", Param::Float(self.momentum)),
            ("momentum_complement", Param::Float(self.momentum_complement())),
        ];
        self.tail.params().into_iter().chain(own).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("sums", Some(self.tail.sums)),
            ("scales", Some(self.scales)),
            ("running", Some(self.running)),
            ("residual", self.residual),
            ("statistics", Some(self.statistics)),
            ("output", Some(self.output)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.output)
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.column_grid(module)
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        self.tail.scratch()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let outputs = self.tail.outputs;
        let half = memory.is_half(self.output);
        let [mut output, mut statistics, mut running] =
            [self.output, self.statistics, self.running].map(|id| memory.take(id));
        let live = &mut output[..iteration.rows as usize * outputs];
        in_columns([live, &mut statistics, &mut running], outputs, self.tail.tasks(), &|start, matrices| {
            self.columns(memory, start, matrices);
        });
        self.tail.for_parts(&mut output, iteration, |first, part| {
            self.tail.finish(memory, (iteration, hyper), first, (self.residual, half), part);
        });
        for (id, values) in [self.output, self.statistics, self.running].into_iter().zip([output, statistics, running])
        {
            memory.put(id, values);
        }
    }
}

impl BatchNormForward {
    /// Columns from `start` on: n, the batch's statistics, and the running ones.
    fn columns<T: Compute>(
        &self,
        memory: &Memory<T>,
        start: usize,
        [mut n, mut statistics, mut running]: [ArrayViewMut2<T>; 3],
    ) {
        let (rows, width) = n.dim();
        let count = T::real(rows as f32);
        let columns = start..start + width;
        let [scale, shift] = self.tail.pair(memory, self.scales, columns.clone());
        let sums = |b| self.tail.sums(memory, b, columns.clone());
        for (b, row) in rows_mut(&mut n).enumerate() {
            row.copy_from_slice(sums(b));
        }
        let (mut means, mut deviations) = statistics.multi_slice_mut((s![0, ..], s![1, ..]));
        let [means, deviations] =
            [&mut means, &mut deviations].map(|row| row.as_slice_mut().expect("rows of statistics are contiguous"));
        T::column_sums(n.view(), means);
        means.iter_mut().for_each(|mean| *mean = *mean / count);
        // The squared distances first, in place of what is to come.
        vectorized(
            #[inline(always)]
            || {
                for row in rows_mut(&mut n) {
                    row.iter_mut().zip(&*means).for_each(|(n, mean)| *n = (*n - *mean) * (*n - *mean));
                }
            },
        );
        T::column_sums(n.view(), deviations);
        let (momentum, complement) = (T::real(self.momentum), T::real(self.momentum_complement()));
        let degrees = T::real(rows.saturating_sub(1).max(1) as f32);
        for (column, (mean, squares)) in means.iter().zip(deviations.iter_mut()).enumerate() {
            running[[0, column]] = complement * running[[0, column]] + momentum * *mean;
            running[[1, column]] = complement * running[[1, column]] + momentum * (*squares / degrees);
            *squares = T::one() / (*squares / count + T::real(self.epsilon)).sqrt();
        }
        vectorized(
            #[inline(always)]
            || {
                for (b, row) in rows_mut(&mut n).enumerate() {
                    let units = means.iter().zip(&*deviations).zip(scale.iter().zip(shift));
                    for ((n, z), ((mean, deviation), (scale, shift))) in row.iter_mut().zip(sums(b)).zip(units) {
                        *n = (*z - *mean) * *deviation * *scale + *shift;
                    }
                }
            },
        );
    }

    /// 1 - momentum, rounded once.
    fn momentum_complement(&self) -> f32 {
        (1.0 - f64::from(self.momentum)) as f32
    }
}
