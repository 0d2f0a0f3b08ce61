//! `y = (activation(n) + residual) * kept`, shapes (R, B, O), where n is the sum z itself or, for a batch norm that is not
//! training, `n = scale (z - mean) / sqrt(variance + epsilon) + shift` with the running mean and variance.

use super::tail::{Tail, flag};
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader =
    shader!("tail_forward", "stored", "iteration", "activation", "random", "tail", "tail_output");

/// A layer's tail without a norm, or with running statistics.
#[derive(Clone, Debug)]
pub(crate) struct TailForward {
    pub tail: Tail,
    pub running: Option<Running>,
    /// (R, B, O)
    pub residual: Option<TensorId>,
    /// (R, B, O)
    pub output: TensorId,
}

/// A batch norm with running statistics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// (R, 2, O): scale, shift
    pub scales: TensorId,
    /// (R, 2, O): mean, variance
    pub statistics: TensorId,
    pub epsilon: f32,
}

impl Operation for TailForward {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let own = [
            ("added", flag(self.residual.is_some())),
            ("norm", Param::Named(if self.running.is_some() { "running_norm" } else { "no_norm" })),
            ("epsilon", Param::Float(self.running.map_or(0.0, |running| running.epsilon))),
        ];
        self.tail.params().into_iter().chain(own).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("sums", Some(self.tail.sums)),
            ("scales", self.running.map(|running| running.scales)),
            ("running", self.running.map(|running| running.statistics)),
            ("residual", self.residual),
            ("output", Some(self.output)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.output)
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.elementwise_grid(module)
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        // A dropout's mask beside deviations.
        self.tail.scratch().larger(Scratch::of(2, &[self.tail.outputs]))
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let half = memory.is_half(self.output);
        let mut output = memory.take(self.output);
        self.tail.for_parts(&mut output, iteration, |first, part| {
            part.copy_from_slice(self.tail.sums(memory, first, 0..part.len()));
            if let Some(running) = self.running {
                running.normalize(memory, self.tail.outputs, part);
            }
            self.tail.finish(memory, (iteration, hyper), first, (self.residual, half), part);
        });
        memory.put(self.output, output);
    }
}

impl Running {
    /// Rows of z, (rows, O), become n.
    fn normalize<T: Compute>(self, memory: &Memory<T>, outputs: usize, rows: &mut [T]) {
        let (mean, variance) = memory.real(self.statistics).split_at(outputs);
        let (scale, shift) = memory.real(self.scales).split_at(outputs);
        memory.with_scratch(outputs, |deviation| {
            let epsilon = T::real(self.epsilon);
            deviation.iter_mut().zip(variance).for_each(|(d, v)| *d = T::one() / (*v + epsilon).sqrt());
            vectorized(
                #[inline(always)]
                || {
                    for row in rows.chunks_mut(outputs) {
                        let units = mean.iter().zip(&*deviation).zip(scale.iter().zip(shift));
                        for (z, ((mean, deviation), (scale, shift))) in row.iter_mut().zip(units) {
                            *z = (*z - *mean) * *deviation * *scale + *shift;
                        }
                    }
                },
            );
        });
    }
}
