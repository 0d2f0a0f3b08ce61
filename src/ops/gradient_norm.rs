//! Sums of squares of stored gradients, of two tensors at a time, over blocks in a fixed order: what the global norm is
//! the root of.

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, in_chunks, tasks};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("gradient_norm", "iteration", "group_sum");

/// A gradient that was stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredGradient {
    /// (R, len)
    pub tensor: TensorId,
    pub len: usize,
}

/// The squares of one or two tensors' numbers, summed over blocks.
#[derive(Clone, Debug)]
pub(crate) struct GradientNorm {
    /// (R, I)
    pub first: StoredGradient,
    /// (R, J)
    pub second: Option<StoredGradient>,
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

    /// Blocks that so many numbers come in.
    pub fn blocks_of(numbers: usize) -> usize {
        numbers.div_ceil(Self::BLOCK)
    }

    /// J
    fn second_len(&self) -> usize {
        self.second.map_or(0, |gradient| gradient.len)
    }

    fn own_blocks(&self) -> usize {
        Self::blocks_of(self.first.len + self.second_len())
    }
}

impl Operation for GradientNorm {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("first_len", Param::Unsigned(self.first.len)),
            ("second_len", Param::Unsigned(self.second_len())),
            ("offset", Param::Unsigned(self.offset)),
            ("blocks", Param::Unsigned(self.blocks)),
        ]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("first_gradient", Some(self.first.tensor)),
            ("second_gradient", self.second.map(|gradient| gradient.tensor)),
            ("squares", Some(self.squares)),
        ]
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        [self.own_blocks(), 1]
    }

    fn flops(&self) -> u64 {
        2 * (self.first.len + self.second_len()) as u64
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, _: &Iteration, _: &Hyper) {
        let mut squares = memory.take(self.squares);
        let numbers = |gradient: StoredGradient| &memory.real(gradient.tensor)[..gradient.len];
        let (first, second) = (numbers(self.first), self.second.map(numbers).unwrap_or_default());
        let own = &mut squares[self.offset..][..self.own_blocks()];
        let at_once = own.len().div_ceil(tasks(self.flops()));
        in_chunks([own], [at_once], &|chunk, [sums]| {
            for (block, sum) in (chunk * at_once..).zip(sums) {
                let part = |of: &'_ [T], before: usize| {
                    let [start, end] =
                        [block, block + 1].map(|n| (n * Self::BLOCK).saturating_sub(before).min(of.len()));
                    start..end
                };
                let values = first[part(first, 0)].iter().chain(&second[part(second, first.len())]);
                *sum = T::sum(values.map(|value| *value * *value));
            }
        });
        memory.put(self.squares, squares);
    }
}
