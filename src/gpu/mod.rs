//! The GPU executor: the plan's steps as WGSL dispatches through wgpu. The only module that imports wgpu's devices.

mod adapters;
mod clock;
mod dispatch;
mod executor;
mod footprint;
mod pipelines;
mod probes;
mod queue;
#[cfg(test)]
mod random_tests;
pub(crate) mod reflect;
mod report;
mod tuning;
mod upload;

pub use adapters::{Gpu, GpuOptions, GpuRequest, adapters, adapters_blocking};
#[cfg(test)]
pub(crate) use dispatch::bound;
pub use executor::GpuExecutor;
#[cfg(test)]
pub(crate) use footprint::ITERATION_HEADER;
pub(crate) use pipelines::{Choice, usual};
#[cfg(test)]
pub(crate) use pipelines::{constants, specializations};
#[cfg(test)]
pub(crate) use probes::PROBES;
pub(crate) use probes::{Copy, MultiplyAdd};
pub use report::{AdapterReport, automatic};
pub use tuning::Tuning;
pub(crate) use tuning::shape_of;
