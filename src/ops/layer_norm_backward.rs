//! The backward step of a tail with layer norm. With g the gradient by `n = scale x + shift`, `x = (z - mean) deviation` and
//! `h = scale g`, the gradient by z, in place of that by the outputs, is
//! `deviation (h - sum_o h / O - x sum_o (h x) / O)`; shapes (R, B, O).

use super::tail::{Tail, round};
use super::tail_backward::Incoming;
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!(
    "layer_norm_backward",
    "stored",
    "iteration",
    "activation",
    "random",
    "tail",
    "tail_gradient",
    "tail_store",
    "rows",
    "row_statistics"
);

/// From the gradient by a layer's outputs to that by its sums.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormBackward {
    pub tail: Tail,
    pub incoming: Incoming,
    /// (R, 2, O): scale, shift
    pub scales: TensorId,
    /// (R, 2, B): mean, deviation
    pub statistics: TensorId,
}

impl Operation for LayerNormBackward {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.tail.params().into_iter().chain(self.incoming.params()).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        let own =
            [("sums", Some(self.tail.sums)), ("scales", Some(self.scales)), ("statistics", Some(self.statistics))];
        own.into_iter().chain(self.incoming.arguments()).collect()
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.incoming.gradient)
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.row_grid()
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        self.tail.scratch().larger(Scratch::of(1, &[2, self.tail.outputs]))
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let half = memory.is_half(self.incoming.gradient);
        let mut gradient = self.incoming.whole(memory, &self.tail, iteration, hyper);
        self.tail.for_parts(&mut gradient, iteration, |first, part| self.rows(memory, first, half, part));
        memory.put(self.incoming.gradient, gradient);
    }
}

impl LayerNormBackward {
    /// Rows from row `first` on, (rows, O), stored as f16 if `half`: on the way to the sums over a row too, as the shader
    /// does it.
    fn rows<T: Compute>(&self, memory: &Memory<T>, first: usize, half: bool, gradient: &mut [T]) {
        let Tail { batch, outputs, activation, .. } = self.tail;
        let [scale, shift] = self.tail.pair(memory, self.scales, 0..outputs);
        let (means, deviations) = memory.real(self.statistics).split_at(batch);
        let share = T::one() / T::real(outputs as f32);
        memory.with_scratch(2 * outputs, |scratch| {
            vectorized(
                #[inline(always)]
                || {
                    let (x, n) = scratch.split_at_mut(outputs);
                    for (b, g) in gradient.chunks_mut(outputs).enumerate() {
                        let sums = self.tail.sums(memory, first + b, 0..outputs);
                        let (mean, deviation) = (means[first + b], deviations[first + b]);
                        x.iter_mut().zip(sums).for_each(|(x, z)| *x = (*z - mean) * deviation);
                        for (n, (x, (scale, shift))) in n.iter_mut().zip(x.iter().zip(scale.iter().zip(shift))) {
                            *n = *x * *scale + *shift;
                        }
                        activation.chain_sums(g, n);
                        g.iter_mut().zip(scale).for_each(|(g, scale)| *g = *scale * *g);
                        let own = T::slice_sum(g) * share;
                        n.iter_mut().zip(g.iter().zip(&*x)).for_each(|(product, (h, x))| *product = *h * *x);
                        let product = T::slice_sum(n) * share;
                        round(half, g);
                        g.iter_mut().zip(&*x).for_each(|(h, x)| *h = deviation * (*h - own - *x * product));
                        round(half, g);
                    }
                },
            );
        });
    }
}
