//! Cases of the optimizers' updates from stored gradients.

use super::cases::ANY;
use super::suite::{Fill, SLOTS, Suite, SuiteBuilder};
use crate::error::Result;
use crate::gpu::reflect::Reflection;
use crate::ops::optimizer::{Optimizer, Update};
use crate::ops::{
    Activation, ClipNorm, GradientNorm, MaxNorm, Op, StoredGradient, UpdateStep, Updated, UpdatedTensors,
};

/// Made-up gradients are about 1.
const CLIP_VALUE: f32 = 0.5;

/// Every optimizer in each of its forms, by name.
pub(super) fn optimizers() -> Vec<(&'static str, Optimizer)> {
    Optimizer::presets().into_iter().map(|(name, spec)| (name, spec.optimizer)).collect()
}

/// With and without clipping, and with biases that decay and that do not.
pub(super) fn update(optimizer: Optimizer, case: usize) -> Update {
    let clip_value = case.is_multiple_of(3).then_some(CLIP_VALUE);
    Update { optimizer, clip_value, decay_biases: !case.is_multiple_of(4) }
}

/// Around the edge of a workgroup, several workgroups, more parameters than invocations, and a norm's one tensor.
pub(super) fn updates(seed: u64, replicas: usize, name: &str, optimizer: Optimizer) -> Result<Suite> {
    let group = match super::cases::shader("update") {
        Some(shader) => Reflection::of(shader)?.constant("UPDATE_GROUP").unwrap_or(1) as usize,
        None => 1,
    };
    let mut suite = SuiteBuilder::new("update", replicas, seed);
    let pairs = [[1, 1], [group - 1, 1], [7, group + 1], [785, 104], [8 * group + 1, group]];
    let norm = (group + 1, None);
    for (first, second) in pairs.map(|[first, second]| (first, Some(second))).into_iter().chain([norm]) {
        let case = suite.next();
        let scale = (case % 2 == 1).then(|| suite.tensor("scale", &[replicas], Fill::Signed));
        let mut tensor = |len: usize, is_weight| {
            let state = Fill::State(optimizer.squares());
            Updated {
                value: suite.tensor("value", &[replicas, len], Fill::Signed),
                gradient: suite.tensor("gradient", &[replicas, len], Fill::Signed),
                state: suite.tensor("state", &[replicas, optimizer.slots(), len], state),
                len,
                is_weight,
            }
        };
        let is_weight = case != 3 && second.is_some();
        let tensors =
            UpdatedTensors { first: tensor(first, is_weight), second: second.map(|second| tensor(second, false)) };
        let (second, scaled) = (second.unwrap_or(0), if scale.is_some() { " scaled" } else { "" });
        let label = format!("I={first} J={second} {name}{scaled}");
        let op = UpdateStep { tensors, scale, update: update(optimizer, case) };
        suite.case(label, Op::UpdateStep(op), 1, 0);
    }
    Ok(suite.suite(name, optimizer))
}

/// Around the edge of a block, several blocks, both tensors in one block, one alone, and blocks of another layer before them.
pub(super) fn gradient_norms(seed: u64, replicas: usize) -> Suite {
    let block = GradientNorm::BLOCK;
    let mut suite = SuiteBuilder::new("gradient_norm", replicas, seed);
    let pairs = [[1, 1], [block - 1, 1], [block, 7], [13, block + 104], [2 * block + 1, 785]];
    let norm = (block + 1, None);
    let all = pairs.map(|[first, second]| (first, Some(second))).into_iter().chain([norm]);
    for (offset, (first, second)) in all.enumerate() {
        let mut gradient =
            |len: usize| StoredGradient { tensor: suite.tensor("gradient", &[replicas, len], Fill::Signed), len };
        let (first_gradient, second_gradient) = (gradient(first), second.map(&mut gradient));
        let second = second.unwrap_or(0);
        let blocks = offset + GradientNorm::blocks_of(first + second) + 1;
        let squares = suite.tensor("squares", &[replicas, blocks], Fill::Signed);
        let op = GradientNorm { first: first_gradient, second: second_gradient, squares, offset, blocks };
        suite.case(format!("I={first} J={second}"), Op::GradientNorm(op), 1, 0);
    }
    suite.suite("", ANY)
}

/// Norms above and below the limit, of few and of more blocks than invocations.
pub(super) fn clip_norms(seed: u64, replicas: usize) -> Suite {
    let mut suite = SuiteBuilder::new("clip_norm", replicas, seed);
    for (blocks, limit) in [(1, 0.25), (7, 100.0), (64, 1.0), (65, 1.0), (785, 3.0)] {
        let metric_blocks = blocks % 5 + 1;
        let op = ClipNorm {
            squares: suite.tensor("squares", &[replicas, blocks], Fill::Activated(Activation::Sigmoid)),
            blocks,
            scale: suite.tensor("scale", &[replicas], Fill::Signed),
            metrics: suite.tensor("metrics", &[replicas, SLOTS, metric_blocks, 2], Fill::Signed),
            slots: SLOTS,
            metric_blocks,
            limit,
        };
        suite.case(format!("blocks={blocks} limit={limit}"), Op::ClipNorm(op), 1, 0);
    }
    suite.suite("", ANY)
}

/// Units within the limit and beyond it, of fewer and of more weights than invocations.
pub(super) fn max_norms(seed: u64, replicas: usize) -> Suite {
    let mut suite = SuiteBuilder::new("max_norm", replicas, seed);
    for ([outputs, inputs], limit) in [([1, 1], 0.25), ([13, 7], 1.5), ([7, 63], 4.5), ([10, 65], 4.5), ([3, 785], 1.0)]
    {
        let weight = suite.tensor("weight", &[replicas, outputs, inputs], Fill::Signed);
        let op = MaxNorm { weight, inputs, outputs, limit };
        suite.case(format!("O={outputs} I={inputs} limit={limit}"), Op::MaxNorm(op), 1, 0);
    }
    suite.suite("", ANY)
}
