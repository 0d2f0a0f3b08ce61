//! The gradients of a layer norm's scales and shifts. With g the gradient by `n = scale x + shift` and
//! `x = (z - mean) deviation`: shift's is `sum_b g`, scale's `sum_b g x`; shapes (R, O) of (R, B, O). It goes before
//! `layer_norm_backward`, which puts the gradient by z in place of that by the outputs.

use ndarray::{ArrayViewMut2, s};

use super::tail::{Tail, flag, in_columns};
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, matrix, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!(
    "layer_norm_gradient",
    "stored",
    "iteration",
    "activation",
    "random",
    "tail",
    "tail_gradient",
    "columns",
    "row_statistics"
);

/// The gradient by a layer norm's parameters.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormGradient {
    pub tail: Tail,
    /// By the outputs, as the next layer gives it, (R, B, O).
    pub gradient: TensorId,
    /// By the outputs, as later layers give it that add them, (R, B, O).
    pub skipped: Option<TensorId>,
    /// (R, 2, O): scale, shift
    pub scales: TensorId,
    /// (R, 2, B): mean, deviation
    pub statistics: TensorId,
    /// (R, 2, O)
    pub scales_gradient: TensorId,
}

impl Operation for LayerNormGradient {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.tail.params().into_iter().chain([("skips", flag(self.skipped.is_some()))]).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("sums", Some(self.tail.sums)),
            ("scales", Some(self.scales)),
            ("statistics", Some(self.statistics)),
            ("skipped", self.skipped),
            ("gradient", Some(self.gradient)),
            ("scales_gradient", Some(self.scales_gradient)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.gradient)
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.column_grid(module)
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        // A dropout's mask beside gradients and their products.
        self.tail.scratch().larger(Scratch::of(2, &[2, self.tail.batch, self.tail.outputs]))
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let mut totals = memory.take(self.scales_gradient);
        in_columns([&mut totals], self.tail.outputs, self.tail.tasks(), &|start, [totals]| {
            self.columns(memory, (iteration, hyper), start, totals);
        });
        memory.put(self.scales_gradient, totals);
    }
}

impl LayerNormGradient {
    /// Columns from `start` on.
    fn columns<T: Compute>(
        &self,
        memory: &Memory<T>,
        step: (&Iteration, &Hyper),
        start: usize,
        mut totals: ArrayViewMut2<T>,
    ) {
        let Tail { batch, outputs, activation, .. } = self.tail;
        let (rows, width) = (step.0.rows as usize, totals.ncols());
        let columns = start..start + width;
        let [scale, shift] = self.tail.pair(memory, self.scales, columns.clone());
        let (means, deviations) = memory.real(self.statistics).split_at(batch);
        let row = |id, b: usize| &memory.real(id)[b * outputs..][columns.clone()];
        let (mut products_total, mut total) = totals.multi_slice_mut((s![0, ..], s![1, ..]));
        let [products_total, total] =
            [&mut products_total, &mut total].map(|row| row.as_slice_mut().expect("rows of totals are contiguous"));
        memory.with_scratch(2 * rows * width, |scratch| {
            let (gradient, products) = scratch.split_at_mut(rows * width);
            for (b, g) in gradient.chunks_mut(width).enumerate() {
                g.copy_from_slice(row(self.gradient, b));
                if let Some(skipped) = self.skipped {
                    g.iter_mut().zip(row(skipped, b)).for_each(|(g, s)| *g = *g + *s);
                }
            }
            self.tail.drop(memory, step, 0, columns.clone(), gradient);
            vectorized(
                #[inline(always)]
                || {
                    for (b, (g, product)) in gradient.chunks_mut(width).zip(products.chunks_mut(width)).enumerate() {
                        let sums = self.tail.sums(memory, b, columns.clone());
                        let (mean, deviation) = (means[b], deviations[b]);
                        for ((n, z), (scale, shift)) in product.iter_mut().zip(sums).zip(scale.iter().zip(shift)) {
                            *n = (*z - mean) * deviation * *scale + *shift;
                        }
                        activation.chain_sums(g, product);
                        let terms = sums.iter().zip(&*g);
                        product.iter_mut().zip(terms).for_each(|(p, (z, g))| *p = *g * ((*z - mean) * deviation));
                    }
                },
            );
            T::column_sums(matrix(gradient, rows, width), total);
            T::column_sums(matrix(products, rows, width), products_total);
        });
        let unscale = T::real(step.1.gradient_scale(memory.is_half(self.gradient))[1]);
        products_total.iter_mut().chain(total).for_each(|total| *total = *total * unscale);
    }
}
