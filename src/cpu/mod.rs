//! The CPU executor: the plan's steps on host memory. On `f32` a device in its own right, on `f64` and
//! [`Bounded`](crate::scalar::Bounded) the oracle of verification.

mod columns;
mod executor;
mod gathered;
mod kernels;
mod matmul;
mod memory;
mod pool;
mod probes;
mod scratch;
mod simd;
mod tiles;
mod turn;

pub use columns::Columns;
pub use executor::CpuExecutor;
pub(crate) use executor::{available_memory, info};
pub(crate) use gathered::Gathered;
pub(crate) use matmul::{apart, apart_len, in_same_sets, matmul_f32};
pub(crate) use memory::{Memory, Numbers, matrix};
pub(crate) use pool::join;
pub(crate) use probes::{Copy, MultiplyAdd};
pub(crate) use simd::{prefetch, vectorized};
pub(crate) use tiles::{in_chunks, in_tiles, share, tasks};

/// The fewest batch rows worth a task of an elementwise pass.
pub(crate) const ROW_SHARD: usize = 32;
