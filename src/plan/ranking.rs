//! The plan by which a device ranks the scores of two classes' samples: one of its own, since it takes all samples at once,
//! where evaluation takes them chunk by chunk.

use super::{Assembly, Element, Plan, Role, TensorId};
use crate::ops::optimizer::Optimizer;
use crate::ops::{MannWhitney, MergeKeys, Op, ScoreKeys};
use crate::spec::Replica;

/// What the host writes and reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RankingTensors {
    /// u32 (R, N): bits of f32
    pub scores: TensorId,
    /// u32 (N): 0 or 1
    pub classes: TensorId,
    /// u32 (R, 3): see [`MannWhitney`].
    pub counts: TensorId,
}

/// A plan for at most so many samples (N): keys of the scores of class 0, a merge sort of these in ceil(log2 N) passes between
/// two tensors, and for each sample of class 1 its places among them. Its steps are of the training program.
pub(crate) fn ranking(replicas: Vec<Replica>, optimizer: Optimizer, samples: usize) -> (Plan, RankingTensors) {
    let mut assembly = Assembly::default();
    let words = |assembly: &mut Assembly, name: &str, shape: &[usize], role| {
        assembly.tensor(format!("ranking.{name}"), shape, Element::U32, role)
    };
    let each = [replicas.len(), samples];
    let scores = words(&mut assembly, "scores", &each, Role::Activation);
    let classes = words(&mut assembly, "classes", &[samples], Role::Target);
    let mut keys = words(&mut assembly, "keys", &each, Role::Activation);
    let mut merged = words(&mut assembly, "merged", &each, Role::Activation);
    let counts = words(&mut assembly, "counts", &[replicas.len(), 3], Role::Metric);
    assembly.step("score keys".to_owned(), Op::ScoreKeys(ScoreKeys { samples, scores, classes, keys }));
    for run in std::iter::successors(Some(1), |run| Some(2 * run)).take_while(|run| *run < samples) {
        assembly.step(format!("merge runs of {run}"), Op::MergeKeys(MergeKeys { samples, run, keys, merged }));
        (keys, merged) = (merged, keys);
    }
    let op = MannWhitney { samples, scores, classes, keys, counts };
    assembly.step("mann whitney".to_owned(), Op::MannWhitney(op));
    (assembly.plan(replicas, optimizer, 1), RankingTensors { scores, classes, counts })
}
