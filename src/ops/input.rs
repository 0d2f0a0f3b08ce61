use std::ops::Range;

use super::{Constant, Param};
use crate::cpu::{Memory, ROW_SHARD, in_chunks, prefetch, vectorized};
use crate::plan::{Iteration, TensorId};
use crate::scalar::Scalar;

/// Samples that are asked for ahead of the one that is gathered: they lie anywhere in memory.
const ROWS_AHEAD: usize = 4;

/// What a dense layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// The layer before, f32 or f16 (R, B, I).
    Activations,
    /// The samples themselves, f32 (N, I), through the order.
    SamplesF32,
    /// The samples themselves, u8 (N, I), through the order.
    SamplesU8,
}

impl InputKind {
    /// In plans and in records of tuned kernels; in capitals, WGSL's constant.
    pub fn name(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::SamplesF32 => "samples_f32",
            Self::SamplesU8 => "samples_u8",
        }
    }
}

/// A dense layer's input, gathered and scaled where it is read if it is the samples (`shaders/include/input.wgsl`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Input {
    /// The activations or the samples.
    pub tensor: TensorId,
    /// Sample indices, (R, N) or (N); of no meaning for activations, where it is the tensor itself.
    pub order: TensorId,
    /// N, or 0 when all replicas share one order.
    pub order_stride: usize,
    /// Which of the three.
    pub kind: InputKind,
    /// Samples are multiplied by it.
    pub scale: f32,
}

impl Input {
    /// The output of the layer before.
    pub fn activations(tensor: TensorId) -> Self {
        Self { tensor, order: tensor, order_stride: 0, kind: InputKind::Activations, scale: 1.0 }
    }

    pub fn constant(&self) -> (&'static str, Constant) {
        ("INPUT", Constant::named(self.kind.name()))
    }

    pub fn params(&self) -> [(&'static str, Param); 2] {
        [("order_stride", Param::Unsigned(self.order_stride)), ("scale", Param::Float(self.scale))]
    }

    pub fn arguments(&self) -> [(&'static str, TensorId); 2] {
        [("input", self.tensor), ("order", self.order)]
    }

    /// Gathers a batch's samples where the input is samples; with `anew` false only if they are not there already.
    pub fn gather<T: Scalar>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        [batch, inputs]: [usize; 2],
        anew: bool,
    ) {
        let key = (*self, *iteration, [batch, inputs]);
        if self.kind == InputKind::Activations || (!anew && memory.gathered().key == Some(key)) {
            return;
        }
        let mut rows = memory.take_gathered();
        rows.reserve_exact((batch * inputs).saturating_sub(rows.len()));
        rows.resize(batch * inputs, T::zero());
        let live = &mut rows[..iteration.rows as usize * inputs];
        in_chunks([live], [ROW_SHARD * inputs], &|shard, [part]| {
            let first = iteration.first as usize + shard * ROW_SHARD;
            vectorized(
                #[inline(always)]
                || self.gather_rows(memory, &memory.words(self.order)[first..], inputs, part),
            );
        });
        memory.put_gathered(key, rows);
    }

    /// One row after the other, in the order given.
    #[inline(always)]
    pub(super) fn gather_rows<T: Scalar>(&self, memory: &Memory<T>, order: &[u32], inputs: usize, into: &mut [T]) {
        let scale = T::real(self.scale);
        let source = |n: u32| n as usize * inputs..(n as usize + 1) * inputs;
        let rows = into.len() / inputs;
        for (b, (row, n)) in into.chunks_mut(inputs).zip(order).enumerate() {
            if let Some(later) = order[..rows].get(b + ROWS_AHEAD) {
                match self.kind {
                    InputKind::SamplesU8 => prefetch(&memory.bytes(self.tensor)[source(*later)]),
                    _ => prefetch(&memory.real(self.tensor)[source(*later)]),
                }
            }
            let source = source(*n);
            match self.kind {
                InputKind::SamplesU8 => {
                    let pixels = &memory.bytes(self.tensor)[source];
                    row.iter_mut().zip(pixels).for_each(|(to, x)| *to = T::real(f32::from(*x)) * scale);
                }
                _ => {
                    let values = &memory.real(self.tensor)[source];
                    row.iter_mut().zip(values).for_each(|(to, x)| *to = *x * scale);
                }
            }
        }
    }

    /// Rows `rows` of replica `r`'s batch, (rows, I) row-major; samples have been gathered.
    pub fn rows<'a, T: Scalar>(
        &self,
        memory: &'a Memory<T>,
        r: usize,
        [batch, inputs]: [usize; 2],
        rows: Range<usize>,
    ) -> &'a [T] {
        let source = match self.kind {
            InputKind::Activations => memory.real(self.tensor),
            _ => &memory.gathered().rows,
        };
        &source[(r * batch + rows.start) * inputs..(r * batch + rows.end) * inputs]
    }
}
