//! What operations run on: the tensors of a plan in host memory, the thread pool, matrix products and loops over vectors.

mod columns;
mod compute;
mod gathered;
mod kernels;
mod matmul;
mod memory;
mod panels;
mod pool;
mod scratch;
mod simd;
mod storage;
mod tiles;
mod transpose;

pub use columns::Columns;
pub use compute::Compute;
pub(crate) use gathered::{GatherKey, Gathered};
pub(crate) use matmul::{apart, apart_len, in_same_sets};
pub(crate) use memory::{Layout, Memory, Own, Shared, Weights, matrix};
pub(crate) use panels::GROUP;
pub(crate) use pool::{join, side_by_side, within};
pub(crate) use scratch::Scratch;
pub(crate) use simd::{prefetch, vectorized};
pub(crate) use storage::{Numbers, tensor_bytes};
pub(crate) use tiles::{in_chunks, in_tiles, share, tasks, tasks_within};

/// The fewest batch rows worth a task of an elementwise pass.
pub(crate) const ROW_SHARD: usize = 32;
