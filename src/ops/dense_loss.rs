//! The last dense layer's forward pass and the loss of what it gives, in one: `output = activation(input weightᵀ + bias)`,
//! shapes (R, B, O) = (R, B, I) (R, O, I)ᵀ + (R, O), which no tensor keeps, then each row's loss and its gradient by
//! the logits.

use super::{
    Argument, Constant, Dense, DenseLayer, Hyper, InputKind, LossRows, ModuleConstants, Operation, Param, SUBGROUP,
    Shader, SubgroupKernel, Variant, shader,
};
use crate::host::{Compute, Memory, Scratch, tasks};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("dense_loss", "stored", "iteration", "activation", "read", "input", "loss");

/// The ways to run it: sums shared out over the lanes of a workgroup, or an invocation for each row.
const VARIANTS: &[Variant] = &[
    Variant { name: "split", entry: "split", constants: &[] },
    Variant { name: "direct", entry: "direct", constants: &[] },
];

/// The further one, with subgroup operations.
static SUBGROUP_VARIANT: SubgroupKernel = SubgroupKernel {
    shader: Shader { stem: "subgroup/dense_loss", source: include_str!("../../shaders/subgroup/dense_loss.wgsl") },
    variant: Variant { name: SUBGROUP, entry: SUBGROUP, constants: &[] },
};

/// A dense layer's forward pass with the loss of its outputs.
#[derive(Clone, Debug)]
pub(crate) struct DenseLoss {
    pub layer: DenseLayer,
    pub rows: LossRows,
}

impl DenseLoss {
    /// Rows of a block of metrics: WGSL's `ROW_GROUP`, which a test compares with it.
    pub const BLOCK_ROWS: usize = 8;
    /// The widest layer whose outputs a workgroup has room for: WGSL's constant of this name, which a test compares.
    pub const MOST_OUTPUTS: usize = 64;
}

impl Operation for DenseLoss {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn variants(&self) -> &'static [Variant] {
        VARIANTS
    }

    fn subgroup(&self) -> Option<&'static SubgroupKernel> {
        Some(&SUBGROUP_VARIANT)
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        self.rows.constants().into_iter().chain([self.layer.input.constant()]).collect()
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = self.layer.dense.params();
        // Targets go through the order even where the layer's input does not.
        params.push(("order_stride", Param::Unsigned(self.rows.order_stride)));
        params.push(("scale", Param::Float(self.layer.input.scale)));
        params.push(("activation", self.layer.activation.param()));
        params.extend(self.rows.own_params());
        params
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("input", Some(self.layer.input.tensor)),
            ("order", Some(self.rows.order)),
            ("weight", Some(self.layer.weight)),
            ("bias", Some(self.layer.bias)),
            ("targets", Some(self.rows.targets)),
            ("gradient", Some(self.rows.gradient)),
            ("metrics", Some(self.rows.metrics.tensor)),
            ("weights", self.rows.weights.map(|weights| weights.tensor)),
        ]
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.rows.gradient)
    }

    fn read(&self) -> Option<TensorId> {
        Some(self.layer.input.tensor)
    }

    fn product(&self) -> Option<(Dense, InputKind)> {
        Some((self.layer.dense, self.layer.input.kind))
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.layer.dense.batch.div_ceil(module.value("ROW_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        self.layer.dense.flops() + self.rows.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        Scratch::of(1, &[self.rows.batch, self.rows.outputs])
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let Dense { batch, .. } = self.layer.dense;
        self.layer.input.gather(memory, iteration, self.layer.dense, true);
        let part = batch.div_ceil(tasks(self.layer.dense.flops())).next_multiple_of(Self::BLOCK_ROWS);
        self.rows.for_parts(memory, iteration, part, |memory, first, results| {
            memory.with_scratch(results[0].len(), |outputs| {
                self.layer.forward(memory, first, (1, false), outputs);
                self.rows.loss(memory, (iteration, hyper), first, outputs, results);
            });
        });
    }
}
