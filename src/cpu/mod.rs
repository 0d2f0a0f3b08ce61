//! The CPU executor: the plan's steps on host memory. On `f32` a device in its own right, on `f64` and
//! [`Bounded`](crate::scalar::Bounded) the oracle of verification.

mod executor;
mod probes;
mod scratch;

pub use executor::CpuExecutor;
pub(crate) use executor::info;
pub(crate) use probes::{Copy, MultiplyAdd};
