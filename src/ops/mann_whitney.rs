//! Of all pairs of a sample of class 1 and one of class 0, those in which the former scores higher, equal ones by half: the
//! statistic U of Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than the
//! other", 1947. Twice U is a whole number and is counted as such.

use super::score_keys::{UNORDERED, score_key};
use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("mann_whitney", "iteration", "score_key", "sorted_keys");

/// Twice U, added to what was counted before.
#[derive(Clone, Debug)]
pub(crate) struct MannWhitney {
    /// N, of which a run takes as many as the iteration has rows.
    pub samples: usize,
    /// u32 (R, N): bits of f32
    pub scores: TensorId,
    /// u32 (N): 0 or 1
    pub classes: TensorId,
    /// u32 (R, N): the keys of class 0, sorted, then those of no sample
    pub keys: TensorId,
    /// u32 (R, 3): twice U, its low and its high word, and how many scores are not numbers
    pub counts: TensorId,
}

impl Operation for MannWhitney {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("samples", Param::Unsigned(self.samples))]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            ("scores", Some(self.scores)),
            ("classes", Some(self.classes)),
            ("keys", Some(self.keys)),
            ("counts", Some(self.counts)),
        ]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.samples.div_ceil(module.value("SAMPLE_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        0
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let rows = iteration.rows as usize;
        let [scores, keys] = [self.scores, self.keys].map(|id| &memory.words(id)[..rows]);
        let (mut twice, mut unordered) = (0u64, 0u32);
        for (score, class) in scores.iter().zip(memory.words(self.classes)) {
            match score_key(*score) {
                UNORDERED => unordered += 1,
                key if *class == 1 => {
                    let below = keys.partition_point(|other| *other < key);
                    let not_above = keys.partition_point(|other| *other <= key);
                    twice += (below + not_above) as u64;
                }
                _ => {}
            }
        }
        let counts = memory.words_mut(self.counts);
        let twice = twice.wrapping_add(u64::from(counts[0]) + (u64::from(counts[1]) << 32));
        counts.copy_from_slice(&[twice as u32, (twice >> 32) as u32, counts[2].wrapping_add(unordered)]);
    }
}
