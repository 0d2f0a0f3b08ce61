//! The backward step of a tail without a norm: `gradient = (gradient + skipped) * kept * activation'(z)`, in place, shapes
//! (R, B, O). The gradient by the activation goes to the residual's source too.

use super::tail::{Passed, Tail, flag, round};
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Numbers, Scratch, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader =
    shader!("tail_backward", "stored", "iteration", "activation", "random", "tail", "tail_gradient", "tail_store");

/// From the gradient by a layer's outputs to that by its sums.
#[derive(Clone, Debug)]
pub(crate) struct TailBackward {
    pub tail: Tail,
    pub incoming: Incoming,
}

/// The gradient by a tail's outputs, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// By the outputs, as the next layer gives it, (R, B, O); by the sums in the end.
    pub gradient: TensorId,
    /// By the outputs, as later layers give it that add them, (R, B, O).
    pub skipped: Option<TensorId>,
    /// What becomes of the gradient by a residual.
    pub passed: Option<Passed>,
}

impl Operation for TailBackward {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        self.tail.params().into_iter().chain(self.incoming.params()).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        [("sums", Some(self.tail.sums))].into_iter().chain(self.incoming.arguments()).collect()
    }

    fn stored(&self) -> Option<TensorId> {
        Some(self.incoming.gradient)
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        self.tail.elementwise_grid(module)
    }

    fn flops(&self) -> u64 {
        self.tail.flops()
    }

    fn scratch(&self, _: usize) -> Scratch {
        self.tail.scratch()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let half = memory.is_half(self.incoming.gradient);
        let mut gradient = self.incoming.whole(memory, &self.tail, iteration, hyper);
        self.tail.for_parts(&mut gradient, iteration, |first, part| {
            let sums = self.tail.sums(memory, first, 0..part.len());
            vectorized(
                #[inline(always)]
                || {
                    self.tail.activation.chain_sums(part, sums);
                    round(half, part);
                },
            );
        });
        memory.put(self.incoming.gradient, gradient);
    }
}

impl Incoming {
    /// The fields of `Params`.
    pub fn params(&self) -> [(&'static str, Param); 2] {
        [("skips", flag(self.skipped.is_some())), ("passing", Passed::param(self.passed))]
    }

    /// The tensors by WGSL's names.
    pub fn arguments(&self) -> [Argument; 3] {
        let passed = self.passed.map(|passed| passed.tensor);
        [("skipped", self.skipped), ("gradient", Some(self.gradient)), ("passed", passed)]
    }

    /// Takes the gradient out, which is by activation(n) + residual then; the residual's source has been given it.
    pub fn whole<T: Compute>(
        &self,
        memory: &mut Memory<T>,
        tail: &Tail,
        iteration: &Iteration,
        hyper: &Hyper,
    ) -> Numbers<T> {
        let mut gradient = memory.take(self.gradient);
        if self.skipped.is_some() || tail.dropout.is_some() {
            tail.for_parts(&mut gradient, iteration, |first, part| {
                tail.incoming(memory, (iteration, hyper), first, self.skipped, part);
            });
        }
        if let Some(passed) = self.passed {
            passed.pass_on(memory, tail, iteration, &gradient);
        }
        gradient
    }
}
