//! Keeps the norm of each unit's incoming weights within a limit, after the update.
//!
//! w = w * min(norm, limit) / (norm + 1e-7): Keras' `MaxNorm` with its default axis 0, whose kernel is ours transposed
//! (Srebro, Rennie and Jaakkola, NIPS 2004; Srivastava et al., JMLR 15, 2014).

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, in_chunks, tasks};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("max_norm", "iteration", "group_sum");

/// Keras', which keeps a unit without weights from a division by zero.
const EPSILON: f32 = 1e-7;

/// The constraint on one layer's weights.
#[derive(Clone, Debug)]
pub(crate) struct MaxNorm {
    /// (R, O, I)
    pub weight: TensorId,
    pub inputs: usize,
    pub outputs: usize,
    pub limit: f32,
}

impl Operation for MaxNorm {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("inputs", Param::Unsigned(self.inputs)),
            ("outputs", Param::Unsigned(self.outputs)),
            ("limit", Param::Float(self.limit)),
        ]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![("weight", Some(self.weight))]
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        [self.outputs, 1]
    }

    fn flops(&self) -> u64 {
        3 * (self.inputs * self.outputs) as u64
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, _: &Iteration, _: &Hyper) {
        let limit = T::real(self.limit);
        let units = self.outputs.div_ceil(tasks(self.flops()));
        in_chunks([memory.real_mut(self.weight)], [units * self.inputs], &|_, [weights]| {
            for weights in weights.chunks_mut(self.inputs) {
                let norm = T::sum(weights.iter().map(|w| *w * *w)).sqrt();
                let factor = norm.if_above(limit, limit, norm) / (norm + T::real(EPSILON));
                weights.iter_mut().for_each(|w| *w = *w * factor);
            }
        });
    }
}
