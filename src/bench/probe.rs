//! What a device can do at most, measured on the spot: the rate of a copy, and that of multiply-adds.

use std::time::Duration;

use serde::Serialize;

use crate::cpu;
use crate::error::Result;
use crate::executor::{Clock, Probe, Timing};
use crate::gpu;
use crate::platform::now;
use crate::train::Device;

/// What one timing aims at: far above the clock's grain and a submission's cost, well under the 250 ms after which a
/// watchdog may end a submission.
pub(crate) const TIMING: Duration = Duration::from_millis(40);

/// What a device can do at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// Bytes read and written a second by a copy of a buffer to another, the best of the runs.
    pub bytes_per_second: f64,
    /// f32 operations a second of chains of multiply-adds, each counted as two; the best of the runs.
    pub flops_per_second: f64,
    /// Runs of the copy and of the multiply-adds.
    pub runs: [usize; 2],
    /// What measured them.
    pub clock: Clock,
}

impl Peak {
    /// The least seconds that work of this size takes: all bytes at the rate of the copy, or all operations at that of
    /// the multiply-adds, whichever is longer (Williams, Waterman, Patterson, "Roofline", CACM 2009).
    pub fn least_seconds(&self, bytes: u64, flops: u64) -> f64 {
        (bytes as f64 / self.bytes_per_second).max(flops as f64 / self.flops_per_second)
    }
}

/// Measures a device within about `budget`, and checks that the work was really done.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device), also where a result is wrong.
pub fn peak(device: &Device, budget: Duration) -> Result<Peak> {
    let (copy, multiply_add) = match device.as_gpu() {
        Some(gpu) => {
            (best(&mut gpu::Copy::new(gpu)?, budget / 2)?, best(&mut gpu::MultiplyAdd::new(gpu)?, budget / 2)?)
        }
        None => (best(&mut cpu::Copy::new(), budget / 2)?, best(&mut cpu::MultiplyAdd::new(), budget / 2)?),
    };
    Ok(Peak {
        bytes_per_second: copy.0,
        flops_per_second: multiply_add.0,
        runs: [copy.1, multiply_add.1],
        clock: copy.2,
    })
}

/// The best rate of a probe, of how many runs, and by which clock.
fn best(probe: &mut dyn Probe, budget: Duration) -> Result<(f64, usize, Clock)> {
    let samples = sample(budget, probe.most(), &mut |times| probe.run(times))?;
    probe.check()?;
    let least = samples.seconds.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((probe.work() / least, samples.seconds.len(), samples.clock))
}

/// Timings of one piece of work.
pub(super) struct Samples {
    /// Repetitions of each timing.
    pub times: usize,
    /// Of one repetition, in ascending order.
    pub seconds: Vec<f64>,
    pub clock: Clock,
}

/// Finds how many repetitions make a timing, which also warms up; then times for about `budget`, once at least.
pub(super) fn sample(budget: Duration, most: usize, run: &mut dyn FnMut(usize) -> Result<Timing>) -> Result<Samples> {
    let (started, mut times) = (now(), 1);
    while run(times)?.seconds < TIMING.as_secs_f64() / 2.0 && times < most {
        times *= 2;
    }
    let (mut seconds, mut clock) = (Vec::new(), Clock::Device);
    while seconds.is_empty() || started.elapsed() < budget {
        let timing = run(times)?;
        seconds.push(timing.seconds / times as f64);
        if timing.clock == Clock::Host {
            clock = Clock::Host;
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Samples { times, seconds, clock })
}
