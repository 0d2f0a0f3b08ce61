//! What an executor takes of a GPU's memory, and how large its buffers are.

use super::Gpu;
use super::executor::GpuExecutor;
use super::queue::DEPTH;
use super::upload::CHUNK;
use crate::ops::optimizer::MAX_REPLICAS;
use crate::ops::{Hyper, Operation};
use crate::plan::{MemoryLimits, MemoryReport, MemoryUse, Plan, Program, ProgramId, Step};
use crate::tensor::Tensor;

/// The smallest stride that every adapter at default limits allows between dynamic uniform offsets.
const UNIFORM_ALIGNMENT: u64 = 256;
/// Rows, first, slot, number: the words before the hyper-parameters in WGSL's `Iteration`.
pub(crate) const ITERATION_HEADER: u64 = 16;
/// Bytes of WGSL's `vec4<f32>`.
const VEC4: u64 = 16;
/// Bytes of a kernel's own uniforms: what adapters give at least, and more than any kernel has.
pub(super) const PARAMS_BYTES: u64 = 256;

/// The programs that are made with the executor: those that extend others come when they are asked for.
pub(super) fn at_once(plan: &Plan) -> impl Iterator<Item = (ProgramId, &Program)> {
    plan.programs.iter().filter(|(_, program)| program.extends.is_none()).map(|(id, program)| (*id, program))
}

impl GpuExecutor {
    /// The memory that a plan needs, and what the device allows; a software rasterizer's memory is the machine's. What metrics
    /// need beyond evaluation comes on top once they are asked for.
    pub(crate) fn footprint(gpu: &Gpu, plan: &Plan) -> MemoryReport {
        let own = gpu.device.limits();
        let limits = MemoryLimits {
            max_storage_binding: Some(own.max_storage_buffer_binding_size),
            max_buffer: Some(own.max_buffer_size),
            available: if gpu.is_software() { crate::platform::available_memory() } else { None },
        };
        MemoryReport { transfer: transfer_bytes(plan), ..plan.memory_report(held(plan), Tensor::bytes, limits) }
    }
}

fn held(plan: &Plan) -> MemoryUse {
    let mut own = plan.memory(|tensor| padded(tensor.bytes()));
    let programs = || at_once(plan).map(|(_, program)| program);
    let kernels: usize = programs().map(|program| program.steps.len()).sum();
    own.uniforms = iterations_bytes(plan) + kernels as u64 * PARAMS_BYTES + stand_ins(plan) as u64 * padded(0);
    let staged = programs().filter_map(|program| Some(plan.tensor(program.metrics?.tensor).bytes()));
    own.metrics = staged.fold(own.metrics, |total, bytes| total.saturating_add(bytes.saturating_mul(DEPTH as u64)));
    own
}

/// The most bytes that are on their way at a time: uploads, or a tensor that is read back; and submissions' uniforms.
fn transfer_bytes(plan: &Plan) -> u64 {
    let read = plan.tensors.iter().filter(|tensor| tensor.role.is_state()).map(|tensor| padded(tensor.bytes()));
    let MemoryUse { parameters, dataset, evaluation, .. } = plan.memory(Tensor::bytes);
    let uploads = [parameters, dataset, evaluation].into_iter().fold(0, u64::saturating_add);
    let submissions = (DEPTH as u64 + 1) * plan.slots as u64 * stride(plan);
    uploads.min(2 * CHUNK as u64).max(read.max().unwrap_or(0)).saturating_add(submissions)
}

/// Buffers that are bound where a step has no tensor for a binding: as many as one step lacks, so that it binds none twice.
pub(super) fn stand_ins(plan: &Plan) -> usize {
    let steps = plan.programs.values().flat_map(|program| &program.steps);
    let lacking = |step: &Step| step.op.arguments().iter().filter(|(_, tensor)| tensor.is_none()).count();
    steps.map(lacking).max().unwrap_or(0)
}

/// Bytes of a tensor's buffer: whole vec4s. An optimizer without memory has states of no bytes, which cannot be bound.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(VEC4).unwrap_or(u64::MAX).max(VEC4)
}

/// Bytes from one iteration's uniforms to the next one's.
pub(super) fn stride(plan: &Plan) -> u64 {
    (ITERATION_HEADER + (plan.replicas * size_of::<Hyper>()) as u64).next_multiple_of(UNIFORM_ALIGNMENT)
}

/// Bytes of an iteration's uniforms as kernels see them: with as many replicas as there may be.
pub(super) fn iteration_bound() -> u64 {
    ITERATION_HEADER + (MAX_REPLICAS * size_of::<Hyper>()) as u64
}

/// Bytes of a submission's uniforms.
pub(super) fn iterations_bytes(plan: &Plan) -> u64 {
    plan.slots as u64 * stride(plan) + iteration_bound()
}
