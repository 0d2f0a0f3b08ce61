//! How much memory steps borrow while they run, beside the plan's tensors.

use crate::host::{ROW_SHARD, Scratch};
use crate::ops::{Dense, InputKind, Operation};
use crate::plan::{Plan, Step};

/// Bytes that a thread keeps: copies of operands (`host/matmul.rs`), 256 rows of depth 800 in f32; or, in prediction, at most
/// half of that for the terms of 120 rows (`host/panels.rs`).
const COPIES: u64 = 1 << 20;

/// The most bytes that steps of a plan borrow: the batch's samples, gathered, and what each thread's task needs.
pub(crate) fn scratch_bytes(plan: &Plan) -> u64 {
    let threads = rayon::current_num_threads() as u64;
    let floats = gathered(plan).saturating_add(threads.saturating_mul(borrowed(plan)));
    floats.saturating_mul(size_of::<f32>() as u64).saturating_add(threads * COPIES)
}

fn steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.programs.values().flat_map(|program| &program.steps)
}

/// (B, I) of the largest of the batches that read samples, for each replica that is at work.
fn gathered(plan: &Plan) -> u64 {
    let samples = |step: &Step| step.op.product().filter(|(_, kind)| *kind != InputKind::Activations);
    let numbers = steps(plan).filter_map(samples).map(|(Dense { batch, inputs, .. }, _)| {
        // With a byte for each column of each shard, which tells what is zero.
        let marks = batch.div_ceil(ROW_SHARD).div_ceil(size_of::<f32>());
        (batch as u64 + marks as u64).saturating_mul(inputs as u64)
    });
    let at_work = plan.replicas.min(rayon::current_num_threads());
    numbers.max().unwrap_or(0).saturating_mul(at_work as u64)
}

/// Numbers that one thread's tasks borrow at most. A buffer goes from step to step and grows to the largest need.
fn borrowed(plan: &Plan) -> u64 {
    // The fewest threads that a replica has for itself cut its work into the fewest and so the largest tasks.
    let width = (rayon::current_num_threads() / plan.replicas.max(1)).max(1);
    let all = steps(plan).map(|step| step.op.scratch(width));
    let Scratch { buffers, numbers } = all.fold(Scratch::default(), Scratch::larger);
    buffers.saturating_mul(numbers)
}
