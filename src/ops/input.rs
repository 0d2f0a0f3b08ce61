use std::borrow::Cow;
use std::ops::Range;

use super::{Constant, Param};
use crate::cpu::Memory;
use crate::plan::{Iteration, TensorId};
use crate::scalar::Scalar;

/// What a dense layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// The layer before, f32 (R, B, I).
    Activations,
    /// The samples themselves, f32 (N, I), through the order.
    SamplesF32,
    /// The samples themselves, u8 (N, I), through the order.
    SamplesU8,
}

/// A dense layer's input, gathered and scaled where it is read if it is the samples (`shaders/include/input.wgsl`).
#[derive(Clone, Copy, Debug)]
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
        let name = match self.kind {
            InputKind::Activations => "ACTIVATIONS",
            InputKind::SamplesF32 => "SAMPLES_F32",
            InputKind::SamplesU8 => "SAMPLES_U8",
        };
        ("INPUT", Constant::named(name))
    }

    pub fn params(&self) -> [(&'static str, Param); 2] {
        [("order_stride", Param::Unsigned(self.order_stride)), ("scale", Param::Float(self.scale))]
    }

    pub fn arguments(&self) -> [(&'static str, TensorId); 2] {
        [("input", self.tensor), ("order", self.order)]
    }

    /// Rows `rows` of replica `r`'s batch, (rows, I) row-major.
    pub fn rows<'a, T: Scalar>(
        &self,
        memory: &'a Memory<T>,
        iteration: &Iteration,
        r: usize,
        [batch, inputs]: [usize; 2],
        rows: Range<usize>,
    ) -> Cow<'a, [T]> {
        let samples = |rows: Range<usize>| {
            let start = r * self.order_stride + iteration.first as usize;
            memory.words(self.order)[start + rows.start..start + rows.end].iter().map(|n| *n as usize * inputs)
        };
        let scale = T::real(self.scale);
        match self.kind {
            InputKind::Activations => Cow::Borrowed(
                &memory.real(self.tensor)[(r * batch + rows.start) * inputs..(r * batch + rows.end) * inputs],
            ),
            InputKind::SamplesF32 => {
                let source = memory.real(self.tensor);
                let mut gathered = Vec::with_capacity(rows.len() * inputs);
                samples(rows).for_each(|at| gathered.extend(source[at..at + inputs].iter().map(|x| *x * scale)));
                Cow::Owned(gathered)
            }
            InputKind::SamplesU8 => {
                let source = memory.bytes(self.tensor);
                let mut gathered = Vec::with_capacity(rows.len() * inputs);
                let pixel = |x: &u8| T::real(f32::from(*x)) * scale;
                samples(rows).for_each(|at| gathered.extend(source[at..at + inputs].iter().map(pixel)));
                Cow::Owned(gathered)
            }
        }
    }
}
