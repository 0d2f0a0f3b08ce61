//! The CPU executor: the plan's steps on host memory. On `f32` a device in its own right, on `f64` and
//! [`Bounded`](crate::scalar::Bounded) the oracle of verification.

mod executor;
mod matmul;
mod memory;
mod probes;
mod simd;

pub use executor::CpuExecutor;
pub(crate) use executor::{available_memory, info};
pub(crate) use matmul::matmul_f32;
pub(crate) use memory::{Memory, matrix};
pub(crate) use probes::{Copy, MultiplyAdd};
pub(crate) use simd::vectorized;

/// Rows, of `total`, that are one task: `least`, or more where that would be more than [`MOST_TASKS`]. It depends on
/// the shape alone, so that results do not depend on the number of threads.
pub(crate) fn shard(total: usize, least: usize) -> usize {
    total.div_ceil(MOST_TASKS).next_multiple_of(least)
}

/// Tasks that an operation of one replica is cut into: each packs the operand that all share anew, so that few are
/// better for large layers, and enough for most machines' cores.
const MOST_TASKS: usize = 8;
/// The fewest batch rows worth a task.
pub(crate) const ROW_SHARD: usize = 32;
/// The fewest output units of a weight gradient worth a task.
pub(crate) const UNIT_SHARD: usize = 64;
