//! The cases of the metrics: counts of classes, sums of differences, and the ranking of scores.

use super::cases::{ANY, AROUND, order, row_extents, rows};
use super::suite::{Fill, Suite, SuiteBuilder};
use crate::error::Result;
use crate::ops::{
    Activation, ClassCounts, DifferenceSums, LossWeights, MannWhitney, MergeKeys, Op, ScoreKeys, TargetKind,
};

/// Counts so far, below this: each case adds to them.
const COUNTED: u32 = 9;
/// The most outputs: a matrix has their square.
const MOST_OUTPUTS: usize = 104;

pub(super) fn class_counts(seed: u64, replicas: usize) -> Result<Suite> {
    let mut suite = SuiteBuilder::new("class_counts", replicas, seed);
    let extents = row_extents("class_counts")?.into_iter().filter(|[_, outputs]| *outputs <= MOST_OUTPUTS);
    let extents: Vec<_> = extents.chain([[33, 2], [66, 2]]).collect();
    for target_kind in [TargetKind::Classes, TargetKind::Values] {
        for [batch, outputs] in extents.iter().copied() {
            let (case, samples, classes) = (suite.next(), batch + 3, LossWeights::classes(outputs));
            // Of numbers cut off at zero many are equal.
            let ties = case % 2 == 1;
            let fill = if ties { Fill::Activated(Activation::Relu) } else { Fill::Signed };
            let given = suite.tensor("outputs", &[replicas, batch, outputs], fill);
            let targets = match target_kind {
                TargetKind::Classes => suite.shared("targets", &[samples], Fill::Labels(classes as u32)),
                TargetKind::Values => suite.shared("targets", &[samples, outputs], fill),
            };
            let len = batch + 2 * AROUND;
            let (order, order_stride) = order(&mut suite, case % 3 > 0, len, samples);
            let score_stride = if classes == 2 { len } else { 0 };
            let op = ClassCounts {
                batch,
                outputs,
                classes,
                threshold: if case % 4 < 2 { 0.0 } else { 0.5 },
                given,
                targets,
                target_kind,
                order,
                order_stride,
                confusion: suite.tensor("confusion", &[replicas, classes, classes], Fill::Labels(COUNTED)),
                ranks: suite.tensor("ranks", &[replicas, classes], Fill::Labels(COUNTED)),
                scores: suite.tensor("scores", &[replicas, score_stride.max(1)], Fill::Signed),
                score_stride,
            };
            let live = rows(batch, case);
            let label =
                format!("B={batch} O={outputs} rows={live} {target_kind:?}{}", if ties { ", ties" } else { "" });
            suite.case(label, Op::ClassCounts(op), live, AROUND);
        }
    }
    Ok(suite.suite("labels and values", ANY))
}

pub(super) fn difference_sums(seed: u64, replicas: usize) -> Suite {
    let mut suite = SuiteBuilder::new("difference_sums", replicas, seed);
    // Around a block's rows and a workgroup's outputs, and batches that are not the first in their order.
    for [batch, outputs] in [[1, 1], [31, 7], [32, 31], [33, 32], [65, 33], [4, 104], [3, 1], [100, 2]] {
        let (case, samples) = (suite.next(), batch + 3);
        let given = suite.tensor("outputs", &[replicas, batch, outputs], Fill::Signed);
        let targets = suite.shared("targets", &[samples, outputs], Fill::Signed);
        let (order, order_stride) = order(&mut suite, case % 3 > 0, batch + 2 * AROUND, samples);
        let stride = (AROUND / batch + 1) * DifferenceSums::blocks(batch);
        let sums = suite.tensor("sums", &[replicas, stride, outputs, 2], Fill::Signed);
        let op = DifferenceSums { batch, outputs, given, targets, order, order_stride, sums, stride };
        let live = rows(batch, case);
        suite.case(format!("B={batch} O={outputs} rows={live}"), Op::DifferenceSums(op), live, AROUND);
    }
    suite.suite("", ANY)
}

/// Around a workgroup's samples: room for so many, of which so many take part.
const RANKED: [[usize; 2]; 8] = [[1, 1], [2, 2], [9, 7], [255, 255], [256, 256], [258, 257], [600, 511], [777, 777]];

pub(super) fn score_keys(seed: u64, replicas: usize) -> Suite {
    let mut suite = SuiteBuilder::new("score_keys", replicas, seed);
    for [samples, live] in RANKED {
        let scores = suite.tensor("scores", &[replicas, samples], Fill::Scores);
        let classes = suite.shared("classes", &[samples], Fill::Labels(2));
        let keys = suite.tensor("keys", &[replicas, samples], Fill::Labels(COUNTED));
        let op = ScoreKeys { samples, scores, classes, keys };
        suite.case(format!("N={samples} rows={live}"), Op::ScoreKeys(op), live, 0);
    }
    suite.suite("two classes", ANY)
}

pub(super) fn merges(seed: u64, replicas: usize) -> Suite {
    let mut suite = SuiteBuilder::new("merge_keys", replicas, seed);
    for [samples, live] in RANKED {
        // The shortest runs, runs of which the last is cut off, and one run, which has nothing to be merged with.
        for run in [1, 4, 64, 256, 1024] {
            let keys = suite.tensor("keys", &[replicas, samples], Fill::Keys(run));
            let merged = suite.tensor("merged", &[replicas, samples], Fill::Labels(COUNTED));
            let op = MergeKeys { samples, run, keys, merged };
            suite.case(format!("N={samples} rows={live} run={run}"), Op::MergeKeys(op), live, 0);
        }
    }
    suite.suite("runs", ANY)
}

pub(super) fn mann_whitneys(seed: u64, replicas: usize) -> Suite {
    let mut suite = SuiteBuilder::new("mann_whitney", replicas, seed);
    for [samples, live] in RANKED {
        let scores = suite.tensor("scores", &[replicas, samples], Fill::Scores);
        let classes = suite.shared("classes", &[samples], Fill::Labels(2));
        let keys = suite.tensor("keys", &[replicas, samples], Fill::Keys(usize::MAX));
        // So that sums go on in the next word.
        let counts = suite.tensor("counts", &[replicas, 3], Fill::Full);
        let op = MannWhitney { samples, scores, classes, keys, counts };
        suite.case(format!("N={samples} rows={live}"), Op::MannWhitney(op), live, 0);
    }
    suite.suite("two classes", ANY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::reflect::Reflection;
    use crate::verify::cases::shader;

    #[test]
    fn sums_are_of_as_many_rows_as_rust_makes_room_for() {
        let reflection = Reflection::of(shader("difference_sums").unwrap()).unwrap();
        assert_eq!(reflection.constant("BLOCK_ROWS"), Some(DifferenceSums::BLOCK_ROWS as u32));
        assert_eq!(reflection.constant("COLUMN_GROUP"), Some(32), "the sizes of the cases are around it");
    }

    #[test]
    fn rankings_are_of_sizes_around_a_workgroups() {
        for stem in ["score_keys", "merge_keys", "mann_whitney"] {
            let reflection = Reflection::of(shader(stem).unwrap()).unwrap();
            assert_eq!(reflection.constant("SAMPLE_GROUP"), Some(256), "{stem}");
        }
    }
}
