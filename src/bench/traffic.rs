//! The bytes that a step must move at least: every tensor that it uses once, from or to memory.

use crate::error::Result;
use crate::gpu::reflect::{Access, Reflection};
use crate::ops::Operation;
use crate::plan::{Plan, ProgramId, Step};
use crate::tensor::{Role, TensorId};

/// Bytes that one run of a step on a full batch of all replicas reads and writes at least. Of samples, targets and order
/// that is the batch's rows, of metrics one slot. What lasts from step to step, parameters and optimizer states, is both
/// read and written where it is updated.
pub(super) fn bytes(plan: &Plan, program: ProgramId, step: &Step) -> Result<u64> {
    let reflection = Reflection::of(step.op.shader())?;
    let written = |name: &str| {
        let mut bindings = reflection.bindings.iter();
        bindings.any(|binding| binding.name == name && binding.access == Access::ReadWrite)
    };
    let mut total = 0;
    for (name, id) in step.op.arguments() {
        let Some(id) = id else { continue };
        let lasting = matches!(plan.tensor(id).role, Role::Parameter | Role::OptimizerState);
        let passes = if lasting && written(name) { 2 } else { 1 };
        total += passes * part(plan, program, id);
    }
    Ok(total)
}

/// Bytes of a tensor that concern one batch.
fn part(plan: &Plan, program: ProgramId, id: TensorId) -> u64 {
    let tensor = plan.tensor(id);
    let rows = (plan.replicas * plan.program(program).batch) as u64;
    let extent = |axis: usize| tensor.shape.get(axis).copied().unwrap_or(1).max(1) as u64;
    match tensor.role {
        // (N, I) and (N) or (N, O): each replica has rows of its own.
        Role::Input | Role::Target => tensor.bytes() * rows / extent(0),
        Role::Order => rows * size_of::<u32>() as u64,
        // (R, slots, blocks, 2)
        Role::Metric => tensor.bytes() / extent(1),
        _ => tensor.bytes(),
    }
}
