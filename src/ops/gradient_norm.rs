//! Sums of squares of stored gradients, of two tensors at a time, over blocks in a fixed order: what the global norm is
//! the root of.

use super::{Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, in_chunks, tasks};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("gradient_norm", "iteration", "group_sum");

/// The squares of two tensors' numbers, summed over blocks.
#[derive(Clone, Debug)]
pub(crate) struct GradientNorm {
    /// (R, I) and (R, J), with I and J
    pub gradients: [(TensorId, usize); 2],
    /// (R, blocks)
    pub squares: TensorId,
    /// Where the blocks of these tensors start.
    pub offset: usize,
    /// Of all tensors of a replica.
    pub blocks: usize,
}

impl GradientNorm {
    /// Numbers of a block: WGSL's `NORM_BLOCK`, which a test compares with it.
    pub const BLOCK: usize = 4096;

    /// Blocks that two tensors of so many numbers come in.
    pub fn blocks_of(first: usize, second: usize) -> usize {
        (first + second).div_ceil(Self::BLOCK)
    }

    fn own_blocks(&self) -> usize {
        let [(_, first), (_, second)] = self.gradients;
        Self::blocks_of(first, second)
    }
}

impl Operation for GradientNorm {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let [(_, first), (_, second)] = self.gradients;
        vec![
            ("first_len", Param::Unsigned(first)),
            ("second_len", Param::Unsigned(second)),
            ("offset", Param::Unsigned(self.offset)),
            ("blocks", Param::Unsigned(self.blocks)),
        ]
    }

    fn arguments(&self) -> Vec<(&'static str, TensorId)> {
        let [(first, _), (second, _)] = self.gradients;
        vec![("first_gradient", first), ("second_gradient", second), ("squares", self.squares)]
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        [self.own_blocks(), 1]
    }

    fn flops(&self) -> u64 {
        self.gradients.iter().map(|(_, len)| 2 * *len as u64).sum()
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, _: &Iteration, _: &Hyper) {
        let mut squares = memory.take(self.squares);
        let [(first, first_len), (second, second_len)] = self.gradients;
        let (first, second) = (&memory.real(first)[..first_len], &memory.real(second)[..second_len]);
        let own = &mut squares[self.offset..][..self.own_blocks()];
        let at_once = own.len().div_ceil(tasks(self.flops()));
        in_chunks([own], [at_once], &|chunk, [sums]| {
            for (block, sum) in (chunk * at_once..).zip(sums) {
                let part = |of: &'_ [T], before: usize| {
                    let [start, end] =
                        [block, block + 1].map(|n| (n * Self::BLOCK).saturating_sub(before).min(of.len()));
                    start..end
                };
                let values = first[part(first, 0)].iter().chain(&second[part(second, first_len)]);
                *sum = T::sum(values.map(|value| *value * *value));
            }
        });
        memory.put(self.squares, squares);
    }
}
