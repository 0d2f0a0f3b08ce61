//! One pass of a merge sort of keys: of each two neighbouring sorted runs one of twice their length.

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("merge_keys", "iteration", "sorted_keys");

/// Runs of sorted keys, merged two by two.
#[derive(Clone, Debug)]
pub(crate) struct MergeKeys {
    /// N, of which a run of the step takes as many as the iteration has rows.
    pub samples: usize,
    /// Keys of a sorted run; the last may have fewer.
    pub run: usize,
    /// u32 (R, N)
    pub keys: TensorId,
    /// u32 (R, N)
    pub merged: TensorId,
}

impl Operation for MergeKeys {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("samples", Param::Unsigned(self.samples)), ("run", Param::Unsigned(self.run))]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![("keys", Some(self.keys)), ("merged", Some(self.merged))]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.samples.div_ceil(module.value("SAMPLE_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        0
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let rows = iteration.rows as usize;
        let mut merged = Vec::with_capacity(rows);
        for pair in memory.words(self.keys)[..rows].chunks(2 * self.run) {
            let (mut left, mut right) = pair.split_at(self.run.min(pair.len()));
            while let ([first, left_rest @ ..], [other, right_rest @ ..]) = (left, right) {
                if first <= other {
                    merged.push(*first);
                    left = left_rest;
                } else {
                    merged.push(*other);
                    right = right_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        memory.words_mut(self.merged)[..rows].copy_from_slice(&merged);
    }
}
