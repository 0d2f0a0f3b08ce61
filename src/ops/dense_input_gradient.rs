//! `input_gradient = (output_gradient weight) * activation'(input)`, shapes (R, B, I) = (R, B, O) (R, O, I) * (R, B, I).

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::{
    Activation, Argument, Constant, Dense, Hyper, InputKind, ModuleConstants, Operation, Param, Shader, SubgroupKernel,
    Variant, matmul, shader,
};
use crate::host::{Compute, Memory, in_tiles, matrix, tasks, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("dense_input_gradient", "stored", "iteration", "activation", "matmul");

/// The gradient of the loss by the sums of the layer before.
#[derive(Clone, Debug)]
pub(crate) struct DenseInputGradient {
    pub dense: Dense,
    /// (R, B, O)
    pub output_gradient: TensorId,
    /// (R, O, I)
    pub weight: TensorId,
    /// (R, B, I), what the layer before gave
    pub input: TensorId,
    /// (R, B, I)
    pub input_gradient: TensorId,
    /// The layer before's.
    pub activation: Activation,
}

impl Operation for DenseInputGradient {
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
        vec![matmul::alignment(outputs, inputs)]
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = self.dense.params();
        params.push(("activation", self.activation.param()));
        params
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("output_gradient", Some(self.output_gradient)),
            ("weight", Some(self.weight)),
            ("input", Some(self.input)),
            ("input_gradient", Some(self.input_gradient)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.input)
    }

    fn read(&self) -> Option<TensorId> {
        Some(self.input)
    }

    fn product(&self) -> Option<(Dense, InputKind)> {
        Some((self.dense, InputKind::Activations))
    }

    fn grid(&self, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        matmul::grid(self.dense.batch, self.dense.inputs, variant, module)
    }

    fn flops(&self) -> u64 {
        self.dense.flops()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let half = memory.is_half(self.input_gradient);
        let mut gradient = memory.take(self.input_gradient);
        self.backward(memory, half, &mut gradient[..iteration.rows as usize * self.dense.inputs]);
        memory.put(self.input_gradient, gradient);
    }
}

impl DenseInputGradient {
    /// The first rows, as many as `gradient` (rows, I) holds; rounded to f16 if they are stored so (`half`).
    fn backward<T: Compute>(&self, memory: &Memory<T>, half: bool, gradient: &mut [T]) {
        let Dense { inputs, outputs, .. } = self.dense;
        let rows = gradient.len() / inputs;
        let output_gradient = matrix(memory.real(self.output_gradient), rows, outputs);
        let weight: ArrayView2<T> = matrix(memory.real(self.weight), outputs, inputs);
        let input: ArrayView2<T> = matrix(memory.real(self.input), rows, inputs);
        let gradient = ArrayViewMut2::from_shape((rows, inputs), gradient).expect("gradients are whole rows");
        in_tiles(gradient, [0, 0], tasks(self.flops()), &|[row, column], tile| {
            let (rows, columns) = tile.dim();
            let weight = weight.slice(s![.., column..column + columns]);
            let output_gradient = output_gradient.slice(s![row..row + rows, ..]);
            // While its numbers are in cache.
            T::matmul_then(output_gradient, (weight, None), tile, &mut |[above, before], mut block| {
                let (rows, columns) = block.dim();
                let [row, column] = [row + above, column + before];
                let input = input.slice(s![row..row + rows, column..column + columns]);
                vectorized(
                    #[inline(always)]
                    || {
                        for (gradient, input) in block.rows_mut().into_iter().zip(input.rows()) {
                            if let (Some(gradient), Some(input)) = (gradient.into_slice(), input.to_slice()) {
                                self.activation.chain(gradient, input);
                                if half {
                                    gradient.iter_mut().for_each(|value| *value = value.half());
                                }
                            }
                        }
                    },
                );
            });
        });
    }
}
