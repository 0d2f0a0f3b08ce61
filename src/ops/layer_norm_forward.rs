//! A layer's tail with layer norm: mean and variance of each row over its units,
//! `n = scale (z - mean) / sqrt(variance + epsilon) + shift`, `y = (activation(n) + residual) * kept`; shapes (R, B, O).
//! Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

use super::tail::{Tail, flag};
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, in_chunks, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader =
    shader!("layer_norm_forward", "stored", "iteration", "activation", "random", "tail", "tail_output", "rows");

/// A tail with layer norm.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormForward {
    pub tail: Tail,
    pub epsilon: f32,
    /// (R, 2, O): scale, shift
    pub scales: TensorId,
    /// (R, 2, B): mean, 1 / sqrt(variance + epsilon)
    pub statistics: TensorId,
    /// (R, B, O)
    pub residual: Option<TensorId>,
    /// (R, B, O)
    pub output: TensorId,
}

impl Operation for LayerNormForward {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let own = [("added", flag(self.residual.is_some())), ("epsilon", Param::Float(self.epsilon))];
        self.tail.params().into_iter().chain(own).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("sums", Some(self.tail.sums)),
            ("scales", Some(self.scales)),
            ("residual", self.residual),
            ("statistics", Some(self.statistics)),
            ("output", Some(self.output)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.output)
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.row_grid()
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        self.tail.scratch()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let Tail { batch, outputs, .. } = self.tail;
        let half = memory.is_half(self.output);
        let [mut output, mut statistics] = [self.output, self.statistics].map(|id| memory.take(id));
        let rows = iteration.rows as usize;
        let part = self.tail.part_rows(rows);
        let (means, deviations) = statistics.split_at_mut(batch);
        let live = [&mut output[..rows * outputs], &mut means[..rows], &mut deviations[..rows]];
        in_chunks(live, [part * outputs, part, part], &|n, [values, means, deviations]| {
            let first = n * part;
            self.normalize(memory, first, values, [means, deviations]);
            self.tail.finish(memory, (iteration, hyper), first, (self.residual, half), values);
        });
        memory.put(self.output, output);
        memory.put(self.statistics, statistics);
    }
}

impl LayerNormForward {
    /// n of rows from row `first` on, (rows, O), and their means and deviations.
    fn normalize<T: Compute>(&self, memory: &Memory<T>, first: usize, n: &mut [T], [means, deviations]: [&mut [T]; 2]) {
        let outputs = self.tail.outputs;
        let [scale, shift] = self.tail.pair(memory, self.scales, 0..outputs);
        let (units, epsilon) = (T::real(outputs as f32), T::real(self.epsilon));
        vectorized(
            #[inline(always)]
            || {
                let statistics = means.iter_mut().zip(deviations);
                for (b, (row, (mean, deviation))) in n.chunks_mut(outputs).zip(statistics).enumerate() {
                    let sums = self.tail.sums(memory, first + b, 0..outputs);
                    *mean = T::slice_sum(sums) / units;
                    row.iter_mut().zip(sums).for_each(|(n, z)| *n = (*z - *mean) * (*z - *mean));
                    *deviation = T::one() / (T::slice_sum(row) / units + epsilon).sqrt();
                    for ((n, z), (scale, shift)) in row.iter_mut().zip(sums).zip(scale.iter().zip(shift)) {
                        *n = (*z - *mean) * *deviation * *scale + *shift;
                    }
                }
            },
        );
    }
}
