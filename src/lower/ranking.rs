//! The plan by which a device ranks the scores of two classes' samples: one of its own, since it takes all samples at once,
//! where evaluation takes them chunk by chunk.

use crate::ops::{MannWhitney, MergeKeys, Op, ScoreKeys};
use crate::plan::{Assembly, Plan, Port, ProgramId};
use crate::tensor::{Element, Role};

/// A plan for at most so many samples (N): keys of the scores of class 0, a merge sort of these in ceil(log2 N) passes between
/// two tensors, and for each sample of class 1 its places among them.
pub(crate) fn ranking(replicas: usize, samples: usize) -> Plan {
    let mut assembly = Assembly::default();
    let words = |assembly: &mut Assembly, name: &str, shape: &[usize], role| {
        assembly.tensor(format!("ranking.{name}"), shape, Element::U32, role)
    };
    let each = [replicas, samples];
    let scores = words(&mut assembly, "scores", &each, Role::Activation);
    let classes = words(&mut assembly, "classes", &[samples], Role::Target);
    let mut keys = words(&mut assembly, "keys", &each, Role::Activation);
    let mut merged = words(&mut assembly, "merged", &each, Role::Activation);
    let counts = words(&mut assembly, "counts", &[replicas, 3], Role::Metric);
    assembly.step("score keys", Op::ScoreKeys(ScoreKeys { samples, scores, classes, keys }));
    for run in std::iter::successors(Some(1), |run| Some(2 * run)).take_while(|run| *run < samples) {
        assembly.step(format!("merge runs of {run}"), Op::MergeKeys(MergeKeys { samples, run, keys, merged }));
        (keys, merged) = (merged, keys);
    }
    assembly.step("mann whitney", Op::MannWhitney(MannWhitney { samples, scores, classes, keys, counts }));
    for (port, id) in [(Port::Scores, scores), (Port::Classes, classes), (Port::Pairs, counts)] {
        assembly.port(port, id);
    }
    assembly.plan(ProgramId::Rank, replicas, None, 1)
}
