//! The keys by which the scores of a two-class model are sorted: whole numbers in the order of the scores, for the samples of
//! class 0; those of class 1 are looked up among them (`mann_whitney`).

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("score_keys", "iteration", "score_key");

/// WGSL's constant of this name: behind all keys of scores.
pub(crate) const NO_KEY: u32 = u32::MAX;
/// WGSL's constant of this name: the key of a score that is not a number.
pub(super) const UNORDERED: u32 = u32::MAX - 1;

/// WGSL's function of this name: x < y exactly where the key of x is below that of y, and -0 is 0.
pub(crate) fn score_key(bits: u32) -> u32 {
    let size = bits & 0x7fff_ffff;
    match (size > f32::INFINITY.to_bits(), bits == size) {
        (true, _) => UNORDERED,
        (false, true) => 0x8000_0000 + size,
        (false, false) => 0x8000_0000 - size,
    }
}

/// Of each sample its key, if it is of class 0, else [`NO_KEY`].
#[derive(Clone, Debug)]
pub(crate) struct ScoreKeys {
    /// N, of which a run takes as many as the iteration has rows.
    pub samples: usize,
    /// u32 (R, N): bits of f32
    pub scores: TensorId,
    /// u32 (N): 0 or 1
    pub classes: TensorId,
    /// u32 (R, N)
    pub keys: TensorId,
}

impl Operation for ScoreKeys {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("samples", Param::Unsigned(self.samples))]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![("scores", Some(self.scores)), ("classes", Some(self.classes)), ("keys", Some(self.keys))]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.samples.div_ceil(module.value("SAMPLE_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        0
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let rows = iteration.rows as usize;
        let scores = memory.words(self.scores)[..rows].iter();
        let key = |(score, class): (&u32, &u32)| if *class == 0 { score_key(*score) } else { NO_KEY };
        let keys: Vec<u32> = scores.zip(memory.words(self.classes)).map(key).collect();
        memory.words_mut(self.keys)[..rows].copy_from_slice(&keys);
    }
}
