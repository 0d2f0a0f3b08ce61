//! The backward step of a tail with batch norm. With g the gradient by `n = scale x + shift` and `x = (z - mean) deviation`:
//! shift's gradient is `sum_b g`, scale's `sum_b g x`, and the one by z, in place of that by the outputs,
//! `scale deviation (g - sum_b g / rows - x sum_b (g x) / rows)`; shapes (R, B, O). Source: Ioffe and Szegedy, "Batch
//! normalization", ICML 2015, section 3, simplified as in every framework.

use ndarray::{ArrayViewMut2, s};

use super::tail::{Tail, in_columns, round, rows_mut};
use super::tail_backward::Incoming;
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, matrix, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!(
    "batch_norm_backward",
    "stored",
    "iteration",
    "activation",
    "random",
    "tail",
    "tail_gradient",
    "tail_store",
    "columns"
);

/// From the gradient by a layer's outputs to those by its sums, scales and shifts.
#[derive(Clone, Debug)]
pub(crate) struct BatchNormBackward {
    pub tail: Tail,
    pub incoming: Incoming,
    /// (R, 2, O): scale, shift
    pub scales: TensorId,
    /// (R, 2, O): mean, deviation
    pub statistics: TensorId,
    /// (R, 2, O)
    pub scales_gradient: TensorId,
}

impl Operation for BatchNormBackward {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.tail.params().into_iter().chain(self.incoming.params()).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        let own =
            [("sums", Some(self.tail.sums)), ("scales", Some(self.scales)), ("statistics", Some(self.statistics))];
        let incoming = self.incoming.arguments();
        own.into_iter().chain(incoming).chain([("scales_gradient", Some(self.scales_gradient))]).collect()
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.incoming.gradient)
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.column_grid(module)
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        self.tail.scratch().larger(Scratch::of(1, &[self.tail.batch.max(2), self.tail.outputs]))
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let outputs = self.tail.outputs;
        let half = memory.is_half(self.incoming.gradient);
        let mut gradient = self.incoming.whole(memory, &self.tail, iteration, hyper);
        let mut totals = memory.take(self.scales_gradient);
        let live = &mut gradient[..iteration.rows as usize * outputs];
        in_columns([live, &mut totals], outputs, self.tail.tasks(), &|start, matrices| {
            self.columns(memory, hyper, (start, half), matrices);
        });
        memory.put(self.incoming.gradient, gradient);
        memory.put(self.scales_gradient, totals);
    }
}

impl BatchNormBackward {
    /// Columns from `start` on: gradients, stored as f16 if `half`, on the way to the sums over a column too, as the shader
    /// does it, and the totals.
    fn columns<T: Compute>(
        &self,
        memory: &Memory<T>,
        hyper: &Hyper,
        (start, half): (usize, bool),
        [mut gradient, mut totals]: [ArrayViewMut2<T>; 2],
    ) {
        let (rows, width) = gradient.dim();
        let columns = start..start + width;
        let [mean, deviation] = self.tail.pair(memory, self.statistics, columns.clone());
        let [scale, shift] = self.tail.pair(memory, self.scales, columns.clone());
        let sums = |b| self.tail.sums(memory, b, columns.clone());
        let (mut scale_totals, mut shift_totals) = totals.multi_slice_mut((s![0, ..], s![1, ..]));
        let [products_total, total] = [&mut scale_totals, &mut shift_totals]
            .map(|row| row.as_slice_mut().expect("rows of totals are contiguous"));
        memory.with_scratch(rows * width, |products| {
            vectorized(
                #[inline(always)]
                || {
                    for (b, (g, product)) in rows_mut(&mut gradient).zip(products.chunks_mut(width)).enumerate() {
                        let normalized = sums(b).iter().zip(mean).zip(deviation).map(|((z, m), d)| (*z - *m) * *d);
                        for (n, (x, (scale, shift))) in product.iter_mut().zip(normalized.zip(scale.iter().zip(shift)))
                        {
                            *n = x * *scale + *shift;
                        }
                        self.tail.activation.chain_sums(g, product);
                        let normalized = sums(b).iter().zip(mean).zip(deviation).map(|((z, m), d)| (*z - *m) * *d);
                        product.iter_mut().zip(normalized.zip(&*g)).for_each(|(p, (x, g))| *p = *g * x);
                    }
                },
            );
            T::column_sums(matrix(products, rows, width), products_total);
        });
        T::column_sums(gradient.view(), total);
        self.by_sums(memory, (start, half), gradient, [total, products_total]);
        let unscale = T::real(hyper.gradient_scale(half)[1]);
        products_total.iter_mut().chain(total).for_each(|total| *total = *total * unscale);
    }

    /// Gradients by n, of columns from `start` on, become those by the sums; with the totals of g and g x.
    fn by_sums<T: Compute>(
        &self,
        memory: &Memory<T>,
        (start, half): (usize, bool),
        mut gradient: ArrayViewMut2<T>,
        [total, products_total]: [&[T]; 2],
    ) {
        let (rows, width) = gradient.dim();
        let columns = start..start + width;
        let [mean, deviation] = self.tail.pair(memory, self.statistics, columns.clone());
        let [scale, _] = self.tail.pair(memory, self.scales, columns.clone());
        let count = T::real(rows as f32);
        memory.with_scratch(2 * width, |means| {
            let (means, product_means) = means.split_at_mut(width);
            means.iter_mut().zip(total).for_each(|(mean, total)| *mean = *total / count);
            product_means.iter_mut().zip(products_total).for_each(|(mean, total)| *mean = *total / count);
            vectorized(
                #[inline(always)]
                || {
                    for (b, g) in rows_mut(&mut gradient).enumerate() {
                        round(half, g);
                        let sums = self.tail.sums(memory, b, columns.clone());
                        let units = sums.iter().zip(mean).zip(deviation.iter().zip(scale));
                        let means = means.iter().zip(&*product_means);
                        for ((g, ((z, mean), (deviation, scale))), (own, product)) in g.iter_mut().zip(units).zip(means)
                        {
                            let x = (*z - *mean) * *deviation;
                            *g = *scale * *deviation * (*g - *own - x * *product);
                        }
                        round(half, g);
                    }
                },
            );
        });
    }
}
