//! The global norm of each replica's gradients, and what gradients are multiplied by so that it is at most a limit.
//!
//! scale = min(1, limit / (norm + 1e-6)), over all parameters of a replica: PyTorch's
//! `torch.nn.utils.clip_grad_norm_` (Pascanu, Mikolov and Bengio, ICML 2013).

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("clip_norm", "iteration", "group_sum");

/// PyTorch's, which keeps a norm of zero from a division by zero.
const EPSILON: f32 = 1e-6;

/// Norm and scale, from sums of squares.
#[derive(Clone, Debug)]
pub(crate) struct ClipNorm {
    /// (R, blocks)
    pub squares: TensorId,
    pub blocks: usize,
    /// (R)
    pub scale: TensorId,
    /// (R, slots, metric blocks, 2), of which the last pair is the norm's
    pub metrics: TensorId,
    pub slots: usize,
    pub metric_blocks: usize,
    pub limit: f32,
}

impl Operation for ClipNorm {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("blocks", Param::Unsigned(self.blocks)),
            ("limit", Param::Float(self.limit)),
            ("slots", Param::Unsigned(self.slots)),
            ("metric_blocks", Param::Unsigned(self.metric_blocks)),
        ]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![("squares", Some(self.squares)), ("scale", Some(self.scale)), ("metrics", Some(self.metrics))]
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        [1, 1]
    }

    fn flops(&self) -> u64 {
        self.blocks as u64
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let (mut scale, mut metrics) = (memory.take(self.scale), memory.take(self.metrics));
        let norm = T::sum(memory.real(self.squares).iter().copied()).sqrt();
        let factor = T::real(self.limit) / (norm + T::real(EPSILON));
        scale[0] = T::one().if_above(factor, factor, T::one());
        let end = (iteration.slot as usize + 1) * self.metric_blocks * 2;
        metrics[end - 2..end].copy_from_slice(&[norm, T::zero()]);
        memory.put(self.scale, scale);
        memory.put(self.metrics, metrics);
    }
}
