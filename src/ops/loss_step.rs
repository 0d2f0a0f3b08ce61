//! The loss of each row of outputs that an earlier step gave, of any width: value, gradient by the logits, and whether
//! the answer is right.

use super::{Argument, Constant, Hyper, LossRows, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("loss_step", "stored", "iteration", "activation", "loss");

/// A loss as a step of its own.
#[derive(Clone, Debug)]
pub(crate) struct LossStep {
    /// (R, B, O): logits, or activated outputs
    pub outputs: TensorId,
    pub rows: LossRows,
}

impl LossStep {
    /// Rows of a block of metrics: WGSL's `ROW_GROUP`, which a test compares with it.
    pub const BLOCK_ROWS: usize = 64;
}

impl Operation for LossStep {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        self.rows.constants()
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let own = [
            ("batch", Param::Unsigned(self.rows.batch)),
            ("outputs", Param::Unsigned(self.rows.outputs)),
            ("order_stride", Param::Unsigned(self.rows.order_stride)),
            ("activation", self.rows.activation.param()),
        ];
        own.into_iter().chain(self.rows.own_params()).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("outputs", Some(self.outputs)),
            ("targets", Some(self.rows.targets)),
            ("order", Some(self.rows.order)),
            ("gradient", Some(self.rows.gradient)),
            ("metrics", Some(self.rows.metrics.tensor)),
            ("weights", self.rows.weights.map(|weights| weights.tensor)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.rows.gradient)
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.rows.batch.div_ceil(module.value("ROW_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        self.rows.flops()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        self.rows.for_parts(memory, iteration, self.rows.metrics.block_rows, |memory, first, results| {
            let own = &memory.real(self.outputs)[first * self.rows.outputs..][..results[0].len()];
            self.rows.loss(memory, (iteration, hyper), first, own, results);
        });
    }
}
