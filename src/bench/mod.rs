//! Benchmarks of one device: what it can do at most, each kernel of a training step by itself against that, whole
//! training steps, and what queueing them costs the host.

mod host;
mod kernels;
mod memory;
mod network;
mod probe;
mod traffic;
mod training;

pub use host::{HostCost, host_cost};
pub(crate) use kernels::fill;
pub use kernels::{KernelRow, kernels};
pub use memory::{peak_bytes, reset_peak, resident_bytes};
pub use network::{NETWORKS, Network};
pub(crate) use probe::TIMING;
pub use probe::{Peak, peak};
pub use training::{TrainingRow, training};

#[cfg(test)]
mod tests;
