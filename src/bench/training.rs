//! Whole training steps, as a fit does them.

use std::time::Duration;

use serde::Serialize;

use super::host::{HostCost, host_cost};
use super::memory::{peak_bytes, reset_peak};
use super::network::Network;
use crate::error::Result;
use crate::platform::now;
use crate::train::{Device, epochs};

/// The part of the time for training that goes to the host's cost.
const HOST_SHARE: u32 = 5;

/// Whole training steps, as `fit` does them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingRow {
    /// `784-128-10@64`: widths and batch.
    pub network: String,
    /// R, models side by side.
    pub replicas: usize,
    /// Samples of the made-up training set.
    pub samples: usize,
    /// Steps that were timed.
    pub steps: u64,
    /// Kernel launches a step.
    pub dispatches_per_step: usize,
    /// Steps a second, each of all replicas.
    pub steps_per_second: f64,
    /// Steps of a model a second: R times as many.
    pub model_steps_per_second: f64,
    /// Model steps a second over those of one model alone, where that was measured too.
    pub speedup: Option<f64>,
    /// Samples a second, of all replicas together.
    pub samples_per_second: f64,
    /// Seconds from an open device without a plan to the first step's loss: compiling, allocating and uploading. A
    /// driver may have kept kernels that it compiled before.
    pub time_to_first_step: f64,
    /// What queueing costs the host; none on the CPU.
    pub host: Option<HostCost>,
    /// The most memory that the process had, samples included, where the system tells.
    pub peak_host_bytes: Option<u64>,
    /// Bytes of the plan's tensors, on the device.
    pub plan_bytes: u64,
    /// Bytes that the GPU's allocator had handed out in training, where the backend keeps count.
    pub device_bytes: Option<u64>,
}

/// Times whole training steps for about `budget`.
///
/// # Errors
/// What the device reports, [`Error::Limit`](crate::Error::Limit) among it.
pub fn training(device: &Device, network: &Network, replicas: usize, budget: Duration) -> Result<TrainingRow> {
    reset_peak();
    let host_budget = budget / HOST_SHARE;
    let budget = budget - host_budget;
    let mut trainer = network.trainer(device, replicas)?;
    let data = network.samples()?;
    let plan_bytes = trainer.plan(&data)?.bytes();
    let mut fit = |steps: u64| {
        let whole = epochs(steps.div_ceil((data.len() / network.batch()) as u64) as usize);
        trainer.fit(&data, whole.steps(Some(steps)), &mut ())
    };
    // The first step compiles and allocates, those after it find how many steps make a timing.
    let first = fit(1)?;
    let (started, mut at_once) = (now(), 1);
    let mut timed = fit(at_once)?;
    while started.elapsed() < budget / 2 {
        at_once *= 2;
        timed = fit(at_once)?;
    }
    let (mut steps, mut seconds) = (timed.steps, timed.training_seconds);
    while started.elapsed() < budget {
        let history = fit(at_once)?;
        steps += history.steps;
        seconds += history.training_seconds;
    }
    let (peak_host_bytes, device_bytes) = (peak_bytes(), device.allocated_bytes());
    drop(trainer);
    let steps_per_second = steps as f64 / seconds;
    let model_steps_per_second = steps_per_second * replicas as f64;
    Ok(TrainingRow {
        network: network.to_string(),
        replicas,
        samples: data.len(),
        steps,
        dispatches_per_step: first.run.dispatches_per_step,
        steps_per_second,
        model_steps_per_second,
        speedup: None,
        samples_per_second: model_steps_per_second * network.batch() as f64,
        time_to_first_step: first.time_to_first_step,
        host: host_cost(device, network, replicas, host_budget)?,
        peak_host_bytes,
        plan_bytes,
        device_bytes,
    })
}
