//! The CPU executor: the plan's steps on host memory. On `f32` a device in its own right, on `f64` and
//! [`Bounded`](crate::scalar::Bounded) the oracle of verification.

mod executor;
mod memory;

pub use executor::CpuExecutor;
pub(crate) use executor::{available_memory, info};
pub(crate) use memory::{Memory, matrix};

/// Batch rows that are one task. Fixed, so that results do not depend on the number of threads.
pub(crate) const ROW_SHARD: usize = 32;
/// Output units that are one task of a weight gradient.
pub(crate) const UNIT_SHARD: usize = 64;
