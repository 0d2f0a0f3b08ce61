//! The cases of what comes after a dense layer's sums: every activation, with and without residual, dropout and gradients
//! that skip; and of updates by themselves.

use super::cases::{ANY, rows};
use super::suite::{Fill, Suite, SuiteBuilder};
use crate::ops::{
    Activation, BatchNormBackward, BatchNormForward, Dropout, Incoming, LayerNormBackward, LayerNormForward,
    LayerNormGradient, Op, Passed, Running, Tail, TailBackward, TailForward,
};
use crate::tensor::{Element, TensorId};

/// (B, O) around the edges of quads, of the lanes that share a column's rows (16 quads), of a workgroup's columns (16) and
/// of its units (64), and around several of them.
const EXTENTS: [[usize; 2]; 14] = [
    [1, 10],
    [3, 1],
    [4, 7],
    [5, 16],
    [13, 17],
    [63, 15],
    [64, 33],
    [65, 64],
    [66, 65],
    [7, 63],
    [130, 31],
    [7, 130],
    [9, 13],
    [2, 785],
];
/// Twice, so that extents meet other settings.
const ROUNDS: usize = 2;
const EPSILON: f32 = 1e-5;
const RATE: f32 = 0.3;
/// The second replica's own rate.
const OWN_RATE: f64 = 0.6;

/// All suites of tails for so many replicas; of each only some cases if it is to be `quick`.
pub(super) fn tails(seed: u64, replicas: usize, quick: bool, stored: Element) -> Vec<Suite> {
    let kinds: [(&'static str, Make); 7] = [
        ("tail_forward", tail_forward),
        ("tail_backward", tail_backward),
        ("batch_norm_forward", batch_norm_forward),
        ("batch_norm_backward", batch_norm_backward),
        ("layer_norm_forward", layer_norm_forward),
        ("layer_norm_backward", layer_norm_backward),
        ("layer_norm_gradient", layer_norm_gradient),
    ];
    let extents =
        EXTENTS.iter().cycle().take(ROUNDS * EXTENTS.len()).step_by(if quick || replicas == 1 { 3 } else { 1 });
    kinds
        .into_iter()
        .map(|(kernel, make)| {
            let mut suite = SuiteBuilder::new(kernel, replicas, seed).storing(stored);
            for extents in extents.clone() {
                case(&mut suite, *extents, make);
            }
            let mut suite = suite.suite("every activation", ANY);
            if let Some(second) = suite.plan.hyper.as_mut().and_then(|hyper| hyper.replicas.get_mut(1)) {
                second.dropout = Some(OWN_RATE);
            }
            suite
        })
        .collect()
}

/// Of each pair the second number, a variance or deviation, is never negative.
const PAIRS: Fill = Fill::State([false, true, false]);

/// What makes the operation of a case.
type Make = fn(&mut SuiteBuilder, Tail) -> Op;

fn case(suite: &mut SuiteBuilder, [batch, outputs]: [usize; 2], make: Make) {
    let case = suite.next();
    let hidden: Vec<_> = Activation::ALL.iter().copied().filter(|own| *own != Activation::Softmax).collect();
    let activation = hidden[case % hidden.len()];
    let dropout = (case % 3 != 1).then_some(Dropout { rate: RATE, layer: case });
    let sums = suite.tensor("sums", &[suite.replicas(), batch, outputs], Fill::Signed);
    let op = make(suite, Tail { batch, outputs, sums, activation, dropout });
    let rows = rows(batch, case);
    let dropped = if dropout.is_some() { ", dropout" } else { "" };
    suite.case(format!("B={batch} O={outputs} rows={rows} {activation}{dropped}"), op, rows, 0);
}

/// Outputs, or gradients.
fn tensor(suite: &mut SuiteBuilder, name: &str, tail: &Tail) -> TensorId {
    suite.stored(name, &[suite.replicas(), tail.batch, tail.outputs], Fill::Signed)
}

/// A pair for each unit, or for each row.
fn pair(suite: &mut SuiteBuilder, name: &str, extent: usize, fill: Fill) -> TensorId {
    suite.tensor(name, &[suite.replicas(), 2, extent], fill)
}

fn residual(suite: &mut SuiteBuilder, tail: &Tail) -> Option<TensorId> {
    (suite.next() % 4 < 2).then(|| tensor(suite, "residual", tail))
}

fn incoming(suite: &mut SuiteBuilder, tail: &Tail) -> Incoming {
    let case = suite.next();
    let gradient = tensor(suite, "gradient", tail);
    let skipped = (case % 4 < 2).then(|| tensor(suite, "skipped", tail));
    let passed = (case % 5 < 3).then(|| Passed { tensor: tensor(suite, "passed", tail), more: case.is_multiple_of(5) });
    Incoming { gradient, skipped, passed }
}

fn tail_forward(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    let running = suite.next().is_multiple_of(2).then(|| Running {
        scales: pair(suite, "scales", tail.outputs, Fill::Signed),
        statistics: pair(suite, "running", tail.outputs, PAIRS),
        epsilon: EPSILON,
    });
    let (residual, output) = (residual(suite, &tail), tensor(suite, "output", &tail));
    Op::TailForward(TailForward { tail, running, residual, output })
}

fn tail_backward(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    let incoming = incoming(suite, &tail);
    Op::TailBackward(TailBackward { tail, incoming })
}

fn batch_norm_forward(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    Op::BatchNormForward(BatchNormForward {
        momentum: 0.1,
        epsilon: EPSILON,
        scales: pair(suite, "scales", tail.outputs, Fill::Signed),
        running: pair(suite, "running", tail.outputs, PAIRS),
        statistics: pair(suite, "statistics", tail.outputs, PAIRS),
        residual: residual(suite, &tail),
        output: tensor(suite, "output", &tail),
        tail,
    })
}

fn batch_norm_backward(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    Op::BatchNormBackward(BatchNormBackward {
        incoming: incoming(suite, &tail),
        scales: pair(suite, "scales", tail.outputs, Fill::Signed),
        statistics: pair(suite, "statistics", tail.outputs, PAIRS),
        scales_gradient: pair(suite, "scales_gradient", tail.outputs, Fill::Signed),
        tail,
    })
}

fn layer_norm_forward(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    Op::LayerNormForward(LayerNormForward {
        epsilon: EPSILON,
        scales: pair(suite, "scales", tail.outputs, Fill::Signed),
        statistics: pair(suite, "statistics", tail.batch, PAIRS),
        residual: residual(suite, &tail),
        output: tensor(suite, "output", &tail),
        tail,
    })
}

fn layer_norm_backward(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    Op::LayerNormBackward(LayerNormBackward {
        incoming: incoming(suite, &tail),
        scales: pair(suite, "scales", tail.outputs, Fill::Signed),
        statistics: pair(suite, "statistics", tail.batch, PAIRS),
        tail,
    })
}

fn layer_norm_gradient(suite: &mut SuiteBuilder, tail: Tail) -> Op {
    let Incoming { gradient, skipped, .. } = incoming(suite, &tail);
    Op::LayerNormGradient(LayerNormGradient {
        gradient,
        skipped,
        scales: pair(suite, "scales", tail.outputs, Fill::Signed),
        statistics: pair(suite, "statistics", tail.batch, PAIRS),
        scales_gradient: pair(suite, "scales_gradient", tail.outputs, Fill::Signed),
        tail,
    })
}
