//! What queueing work costs the host.

use std::time::Duration;

use serde::Serialize;

use super::kernels::filled;
use super::network::Network;
use crate::error::Result;
use crate::plan::ProgramId;
use crate::platform::now;
use crate::tensor::Iteration;
use crate::train::Device;

/// Steps that are queued at a time: few enough that the queue takes them without waiting once its submissions have grown.
const STEPS: u32 = 64;
/// Submissions grow while these are queued.
const WARM_UP: u32 = 4;

/// Host time to encode and queue a step's dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HostCost {
    /// Of one dispatch, the submissions' own cost spread over all.
    pub seconds_per_dispatch: f64,
    /// How many were queued.
    pub dispatches: u64,
    /// `thread`: the time that the queueing thread ran, waiting left out; `wall` where the system does not tell that.
    pub clock: &'static str,
}

/// Measures what queueing training steps costs within about `budget`; nothing on the CPU, which queues nothing.
///
/// # Errors
/// What the device reports.
pub fn host_cost(device: &Device, network: &Network, replicas: usize, budget: Duration) -> Result<Option<HostCost>> {
    if device.as_gpu().is_none() {
        return Ok(None);
    }
    let (mut executor, samples) = filled(device, network, replicas)?;
    let rows = network.batch() as u32;
    let batches = samples as u32 / rows;
    let dispatches = executor.plan().program(ProgramId::Train).steps.len() as u64 * u64::from(STEPS);
    let (started, mut spent, mut count, mut number) = (now(), 0.0, 0, 0);
    while number < WARM_UP * STEPS || (count == 0 || started.elapsed() < budget) {
        let steps: Vec<_> = (number..number + STEPS)
            .map(|step| Iteration { rows, first: step % batches * rows, slot: 0, number: step + 1 })
            .collect();
        let before = moment();
        executor.submit(ProgramId::Train, &steps)?;
        let seconds = moment().seconds - before.seconds;
        // Drained, so that the next steps find room.
        executor.metrics(true)?;
        if number >= WARM_UP * STEPS {
            (spent, count) = (spent + seconds, count + dispatches);
        }
        number += STEPS;
    }
    Ok(Some(HostCost { seconds_per_dispatch: spent / count as f64, dispatches: count, clock: moment().clock }))
}

struct Moment {
    seconds: f64,
    clock: &'static str,
}

/// The thread's own clock: on a software adapter the driver's threads compete for the cores, and time in which this one
/// did not run is no cost of queueing.
#[cfg(unix)]
fn moment() -> Moment {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Moment { seconds: time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9, clock: "thread" }
}

#[cfg(not(unix))]
fn moment() -> Moment {
    static START: std::sync::OnceLock<crate::platform::Instant> = std::sync::OnceLock::new();
    Moment { seconds: START.get_or_init(now).elapsed().as_secs_f64(), clock: "wall" }
}
