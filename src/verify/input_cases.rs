//! The cases of the step that prepares inputs: noise, and images of several shapes moved and bent by all that there is.

use super::cases::{ANY, input, rows};
use super::suite::{Fill, Suite, SuiteBuilder};
use crate::ops::{InputKind, Op, PrepareInput};
use crate::spec::Augment;

/// (B, width, height) around a workgroup's quads of pixels, and images with as many cells as pixels, or more.
const IMAGES: [[usize; 3]; 8] =
    [[1, 28, 28], [7, 1, 1], [13, 7, 5], [10, 3, 1], [3, 13, 20], [2, 65, 4], [5, 16, 16], [3, 4, 63]];
/// (B, I) of samples that are no images.
const ROWS: [[usize; 2]; 5] = [[13, 1], [1, 257], [7, 10], [65, 7], [10, 785]];

/// What is done to images, one after the other.
fn augments([width, height]: [usize; 2]) -> [Augment; 5] {
    let none = Augment::new(width, height);
    [
        none.shift(2.0).rotate(15.0).scale(0.2).elastic(4.0),
        none.shift(1.5),
        none.elastic(6.0),
        none.rotate(180.0),
        none.scale(0.5),
    ]
}

pub(super) fn prepare_inputs(seed: u64, replicas: usize, quick: bool) -> Suite {
    let mut suite = SuiteBuilder::new("prepare_input", replicas, seed);
    let images = IMAGES.into_iter().flat_map(|[batch, width, height]| {
        let augments = augments([width, height]).into_iter();
        augments.map(move |augment| (batch, width * height, Some(augment)))
    });
    let plain = ROWS.into_iter().map(|[batch, inputs]| (batch, inputs, None));
    for (batch, inputs, augment) in images.step_by(if quick { 3 } else { 1 }).chain(plain) {
        let case = suite.next();
        let kind = [InputKind::SamplesF32, InputKind::SamplesU8][case % 2];
        let noise = if augment.is_some() && !case.is_multiple_of(3) { 0.0 } else { 0.25 };
        let (input, first, from) = input(&mut suite, kind, batch, inputs);
        let prepared = suite.tensor("prepared", &[replicas, batch, inputs], Fill::Signed);
        let rows = rows(batch, case);
        let what = augment.map_or("no image".to_owned(), |Augment { width, height, shift, rotate, scale, elastic }| {
            format!("{width}x{height} shift={shift} rotate={rotate} scale={scale} elastic={elastic}")
        });
        let label = format!("B={batch} I={inputs} rows={rows} noise={noise} {what} of {from}");
        let op = PrepareInput { batch, inputs, input, noise, augment, prepared };
        suite.case(label, Op::PrepareInput(op), rows, first);
    }
    suite.suite("noise and images", ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both kinds of sample, noise with and without images, short batches; in quick runs too.
    #[test]
    fn every_setting_is_among_the_cases() {
        for quick in [false, true] {
            let suite = prepare_inputs(0, 3, quick);
            let has =
                |parts: &[&str]| suite.cases.iter().any(|case| parts.iter().all(|part| case.label.contains(part)));
            for kind in ["SamplesF32", "SamplesU8"] {
                assert!(has(&[kind, "noise=0.25", "no image"]) && has(&[kind, "noise=0 "]), "{kind} {quick}");
            }
            assert!(has(&["shift=2 rotate=15 scale=0.2 elastic=4"]) && has(&["noise=0.25", "elastic"]), "{quick}");
            assert!(has(&["shared order"]));
        }
    }
}
