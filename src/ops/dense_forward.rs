//! `output = activation(input weightᵀ + bias)`, shapes (R, B, O) = (R, B, I) (R, O, I)ᵀ + (R, O).

use ndarray::{ArrayViewMut2, s};

use super::{
    Argument, Constant, Dense, DenseLayer, Hyper, InputKind, ModuleConstants, Operation, Param, Shader, SubgroupKernel,
    Variant, matmul, shader,
};
use crate::host::{Columns, Compute, GROUP, Memory, Weights, in_chunks, in_tiles, tasks, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader =
    shader!("dense_forward", "stored", "iteration", "activation", "read", "input", "matmul");

/// A dense layer's forward pass.
#[derive(Clone, Debug)]
pub(crate) struct DenseForward {
    pub layer: DenseLayer,
    /// (R, B, O)
    pub output: TensorId,
}

impl Operation for DenseForward {
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
        let inputs = self.layer.dense.inputs;
        vec![self.layer.input.constant(), matmul::alignment(inputs, inputs)]
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let own = [("activation", self.layer.activation.param())];
        self.layer.dense.params().into_iter().chain(self.layer.input.params()).chain(own).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        let own = [("weight", Some(self.layer.weight)), ("bias", Some(self.layer.bias)), ("output", Some(self.output))];
        self.layer.input.arguments().into_iter().chain(own).collect()
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.output)
    }

    fn read(&self) -> Option<TensorId> {
        Some(self.layer.input.tensor)
    }

    fn product(&self) -> Option<(Dense, InputKind)> {
        Some((self.layer.dense, self.layer.input.kind))
    }

    fn grid(&self, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        matmul::grid(self.layer.dense.batch, self.layer.dense.outputs, variant, module)
    }

    fn flops(&self) -> u64 {
        self.layer.dense.flops()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let live = iteration.rows as usize * self.layer.dense.outputs;
        self.layer.input.gather(memory, iteration, self.layer.dense, true);
        let half = memory.is_half(self.output);
        let mut output = memory.take(self.output);
        self.layer.forward(memory, 0, (tasks(self.flops()), half), &mut output[..live]);
        memory.put(self.output, output);
    }
}

impl DenseLayer {
    /// Rows `first..`, as many as `output` (rows, O) holds, in so many tasks; rounded to f16 if they are stored so (`half`).
    pub(super) fn forward<T: Compute>(
        &self,
        memory: &Memory<T>,
        first: usize,
        (tasks, half): (usize, bool),
        output: &mut [T],
    ) {
        let Dense { inputs, outputs, .. } = self.dense;
        let rows = output.len() / outputs;
        let (x, columns) = self.input.rows(memory, inputs, first..first + rows);
        let x = x.slice_move(s![.., ..columns.map_or(inputs, Columns::count)]);
        let weights = memory.weights(self.weight, [outputs, inputs]);
        let bias = memory.real(self.bias);
        let multiply = |[row, unit]: [usize; 2], mut tile: ArrayViewMut2<T>| {
            let (rows, units) = tile.dim();
            let x = x.slice(s![row..row + rows, ..]);
            // While its numbers are in cache.
            let activate = &mut |[_, column]: [usize; 2], mut block: ArrayViewMut2<T>| {
                let bias = &bias[unit + column..][..block.ncols()];
                vectorized(
                    #[inline(always)]
                    || {
                        for row in block.rows_mut() {
                            if let Some(row) = row.into_slice() {
                                self.activation.activate(row, bias);
                                if half {
                                    row.iter_mut().for_each(|value| *value = value.half());
                                }
                            }
                        }
                    },
                );
            };
            match weights {
                Weights::Matrix(weights) => {
                    T::matmul_then(x, (weights.slice(s![.., unit..unit + units]), columns), tile, activate);
                }
                Weights::Panels(panels) => {
                    T::by_panels(x, panels, unit, tile.view_mut());
                    activate([0, 0], tile);
                }
            }
        };
        match weights {
            // Groups of rows: each leaves out what is zero in it.
            Weights::Panels(_) if rows >= tasks * GROUP => {
                let part = rows.div_ceil(tasks).next_multiple_of(GROUP);
                in_chunks([output], [part * outputs], &|index, [output]| {
                    multiply([index * part, 0], whole_rows(output, outputs))
                });
            }
            _ => in_tiles(whole_rows(output, outputs), [0, 0], tasks, &multiply),
        }
    }
}

/// Numbers as a matrix of so many columns.
fn whole_rows<T>(numbers: &mut [T], columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((numbers.len() / columns, columns), numbers).expect("outputs are whole rows")
}
