//! Counts for classification metrics: each row adds 1 to `confusion[true class][predicted class]` and to
//! `ranks[outputs before the true class's]`, and models of two classes leave each row's score: the single output, or how
//! far the second is above the first. Whole numbers, so that they are exact in any order.

use super::softmax::largest;
use super::{Argument, Constant, Hyper, ModuleConstants, Operation, Param, Shader, TargetKind, Variant, shader};
use crate::host::{Compute, Memory};
use crate::scalar::Scalar;
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("class_counts", "iteration");

/// How a batch's rows were classified.
#[derive(Clone, Debug)]
pub(crate) struct ClassCounts {
    pub batch: usize,
    pub outputs: usize,
    /// C: O, or 2 for a single output
    pub classes: usize,
    /// Above which a single output stands for class 1.
    pub threshold: f32,
    /// (R, B, O)
    pub given: TensorId,
    /// u32 (N) or f32 (N, O)
    pub targets: TensorId,
    pub target_kind: TargetKind,
    /// (R, N) or (N)
    pub order: TensorId,
    /// N, or 0 when all replicas share one order
    pub order_stride: usize,
    /// u32 (R, C, C)
    pub confusion: TensorId,
    /// u32 (R, C)
    pub ranks: TensorId,
    /// (R, S)
    pub scores: TensorId,
    /// S, or 0 where no scores are kept.
    pub score_stride: usize,
}

impl ClassCounts {
    /// A row's predicted class, and the rank of its true one.
    fn classify<T: Scalar>(&self, row: &[T], own: usize) -> [usize; 2] {
        if let [single] = row {
            let predicted = usize::from(*single > T::real(self.threshold));
            return [predicted, usize::from(predicted != own)];
        }
        let before = |(o, other): &(usize, &T)| **other > row[own] || (**other == row[own] && *o < own);
        [largest(row), row.iter().enumerate().filter(before).count()]
    }

    fn target_class<T: Compute>(&self, memory: &Memory<T>, n: usize) -> usize {
        match self.target_kind {
            TargetKind::Classes => memory.words(self.targets)[n] as usize,
            TargetKind::Values => match &memory.real(self.targets)[n * self.outputs..][..self.outputs] {
                [single] => usize::from(*single > T::real(0.5)),
                several => largest(several),
            },
        }
    }
}

impl Operation for ClassCounts {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        vec![("TARGETS", self.target_kind.constant())]
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("batch", Param::Unsigned(self.batch)),
            ("outputs", Param::Unsigned(self.outputs)),
            ("order_stride", Param::Unsigned(self.order_stride)),
            ("classes", Param::Unsigned(self.classes)),
            ("threshold", Param::Float(self.threshold)),
            ("score_stride", Param::Unsigned(self.score_stride)),
        ]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("outputs", Some(self.given)),
            ("targets", Some(self.targets)),
            ("order", Some(self.order)),
            ("confusion", Some(self.confusion)),
            ("ranks", Some(self.ranks)),
            ("scores", Some(self.scores)),
        ]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.batch.div_ceil(module.value("ROW_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        2 * (self.batch * self.outputs) as u64
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let first = iteration.first as usize;
        let mut scores = memory.take(self.scores);
        for b in 0..iteration.rows as usize {
            let n = memory.words(self.order)[first + b] as usize;
            let row = &memory.real(self.given)[b * self.outputs..][..self.outputs];
            let own = self.target_class(memory, n);
            let [predicted, rank] = self.classify(row, own);
            if self.score_stride > 0 {
                scores[first + b] = if let [zero, one] = row { *one - *zero } else { row[0] };
            }
            memory.words_mut(self.confusion)[own * self.classes + predicted] += 1;
            memory.words_mut(self.ranks)[rank] += 1;
        }
        memory.put(self.scores, scores);
    }
}
