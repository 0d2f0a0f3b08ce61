//! Sums for regression metrics: for each output, over each block of rows, `sum |a - y|` and `sum (a - y)²`; the host adds
//! the blocks in f64. How far the targets are from their mean is no matter of the model's, so that R² needs no difference
//! of large sums.

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("difference_sums", "iteration");

/// How far a batch's outputs are from their targets.
#[derive(Clone, Debug)]
pub(crate) struct DifferenceSums {
    pub batch: usize,
    pub outputs: usize,
    /// (R, B, O)
    pub given: TensorId,
    /// f32 (N, O)
    pub targets: TensorId,
    /// (R, N) or (N)
    pub order: TensorId,
    /// N, or 0 when all replicas share one order
    pub order_stride: usize,
    /// (R, blocks of all batches, O, 2)
    pub sums: TensorId,
    /// Blocks that there is room for.
    pub stride: usize,
}

impl DifferenceSums {
    /// Rows of a block: WGSL's constant of this name, which a test compares.
    pub const BLOCK_ROWS: usize = 32;

    /// Blocks of a batch.
    pub fn blocks(batch: usize) -> usize {
        batch.div_ceil(Self::BLOCK_ROWS)
    }
}

impl Operation for DifferenceSums {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("batch", Param::Unsigned(self.batch)),
            ("outputs", Param::Unsigned(self.outputs)),
            ("order_stride", Param::Unsigned(self.order_stride)),
            ("blocks", Param::Unsigned(Self::blocks(self.batch))),
            ("stride", Param::Unsigned(self.stride)),
        ]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("outputs", Some(self.given)),
            ("targets", Some(self.targets)),
            ("order", Some(self.order)),
            ("sums", Some(self.sums)),
        ]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.outputs.div_ceil(module.value("COLUMN_GROUP") as usize), Self::blocks(self.batch)]
    }

    fn flops(&self) -> u64 {
        5 * (self.batch * self.outputs) as u64
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let (rows, first, outputs) = (iteration.rows as usize, iteration.first as usize, self.outputs);
        let mut sums = memory.take(self.sums);
        let (given, targets, order) = (memory.real(self.given), memory.real(self.targets), memory.words(self.order));
        let place = first / self.batch * Self::blocks(self.batch);
        for start in (0..rows).step_by(Self::BLOCK_ROWS) {
            let block = place + start / Self::BLOCK_ROWS;
            for o in 0..outputs {
                let difference = |b: usize| given[b * outputs + o] - targets[order[first + b] as usize * outputs + o];
                let own = || (start..rows.min(start + Self::BLOCK_ROWS)).map(difference);
                let to = &mut sums[(block * outputs + o) * 2..][..2];
                to[0] = T::sum(own().map(|d| d.abs()));
                to[1] = T::sum(own().map(|d| d * d));
            }
        }
        memory.put(self.sums, sums);
    }
}
