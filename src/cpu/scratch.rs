//! How much memory steps borrow while they run, beside the plan's tensors.

use super::ROW_SHARD;
use super::matmul::{apart_len, in_same_sets};
use super::tiles::tasks_within;
use crate::ops::{COLUMN_UNIT, GRADIENTS_AT_ONCE};
use crate::plan::{Plan, ProgramId};

/// Gradients that a weight gradient's task has between product and update, beside those of its last columns.
const GRADIENTS: u64 = GRADIENTS_AT_ONCE as u64;
/// Columns to which such a task rounds up, for each of its units.
const COLUMNS: u64 = COLUMN_UNIT as u64;
/// Bytes of operands' copies that a thread keeps (`matmul.rs`): 256 rows of depth 800, in f32.
const COPIES: u64 = 1 << 20;

/// The most bytes that steps of a plan borrow: the batch's samples, gathered, and what each thread's task needs.
pub(crate) fn scratch_bytes(plan: &Plan) -> u64 {
    let threads = rayon::current_num_threads() as u64;
    let floats = gathered(plan).saturating_add(threads.saturating_mul(borrowed(plan)));
    floats.saturating_mul(size_of::<f32>() as u64).saturating_add(threads * COPIES)
}

/// (B, I) of the larger of the batches that read samples, for each replica that is at work. Noise and augmentation put
/// training's into a tensor.
fn gathered(plan: &Plan) -> u64 {
    let prepares = plan.program(ProgramId::Train).steps.first().is_some_and(|step| step.operation() == "prepare_input");
    let programs = [(ProgramId::Train, !prepares), (ProgramId::Evaluate, true)];
    let rows = programs.into_iter().filter(|(_, gathers)| *gathers).map(|(id, _)| plan.program(id).batch as u64).max();
    let inputs = plan.tensor(plan.program(ProgramId::Train).samples).shape[1] as u64;
    let at_work = plan.replicas.len().min(rayon::current_num_threads());
    // With a byte for each column of each shard, which tells what is zero.
    let rows = rows.map_or(0, |rows| rows + rows.div_ceil(ROW_SHARD as u64).div_ceil(size_of::<f32>() as u64));
    product(&[at_work as u64, rows, inputs])
}

/// Numbers that one thread's task borrows at most: of a layer's gradients, and of the rows of norms and of the loss.
fn borrowed(plan: &Plan) -> u64 {
    let batch = plan.program(ProgramId::Train).batch as u64;
    let last = plan.layers.len().saturating_sub(1);
    let layer = |(n, layer): (usize, &crate::plan::LayerTensors)| {
        let shape = &plan.tensor(layer.weight).shape;
        let (units, inputs) = (shape[1] as u64, shape[2] as u64);
        // And a row of them where columns of samples are left out.
        let gradients =
            product(&[units, inputs]).min(GRADIENTS + product(&[COLUMNS, units])).max(units).saturating_add(inputs);
        let rows = match (layer.norm, n == last) {
            // Gradients and their products, and beside them a dropout's mask in a buffer that may have been such a one.
            (Some(_), _) => product(&[4, batch, units]),
            (None, true) => product(&[batch, units]),
            (None, false) => product(&[4, units]),
        };
        gradients.max(rows)
    };
    let most = plan.layers.iter().enumerate().map(layer).max().unwrap_or(0);
    let copies = plan.layers.iter().map(|layer| copied(plan, &plan.tensor(layer.weight).shape)).max().unwrap_or(0);
    // Copies lie beside gradients, in buffers that may have been each other's.
    if copies > 0 { product(&[2, most.max(copies)]) } else { most }
}

/// Numbers of output gradients that a weight gradient's task copies, of weights (R, O, I).
fn copied(plan: &Plan, shape: &[usize]) -> u64 {
    let (batch, [replicas, units, inputs]) = (plan.program(ProgramId::Train).batch, [shape[0], shape[1], shape[2]]);
    let flops = product(&[2, batch as u64, units as u64, inputs as u64]);
    // The fewest threads that a replica has for itself.
    let width = (rayon::current_num_threads() / replicas).max(1);
    let own = (units.div_ceil(tasks_within(width, flops)) + COLUMN_UNIT).min(units);
    if in_same_sets(units) { apart_len((batch, own)) as u64 } else { 0 }
}

fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}
