//! Work in flight: submissions whose metrics the host has not read yet, and how many steps go into one.

use std::collections::VecDeque;
use std::time::Duration;

use futures::channel::oneshot;

use super::Gpu;
use crate::error::{Error, Result};
use crate::plan::{Plan, Program, ProgramId};
use crate::platform::{Instant, now, wait};
use crate::tensor::Iteration;

/// Submissions that may be in flight: one runs, one waits, and the host encodes a third.
pub(super) const DEPTH: usize = 3;

/// GPU time that a submission aims at, well under the 250 ms that a watchdog may allow.
const TARGET: Duration = Duration::from_millis(80);
/// The same for software adapters, which no watchdog stops: their steps are long, and a submission's own cost is spread
/// over more of them.
const SOFTWARE_TARGET: Duration = Duration::from_millis(200);

/// A submission.
struct InFlight {
    program: ProgramId,
    iterations: Vec<Iteration>,
    weights: Vec<f64>,
    /// Metrics are copied into it behind the work.
    staging: wgpu::Buffer,
    submitted: Instant,
    index: wgpu::SubmissionIndex,
    mapped: oneshot::Receiver<(Result<(), wgpu::BufferAsyncError>, Instant)>,
}

/// A submission whose metrics can be read.
pub(super) struct Finished {
    pub program: ProgramId,
    pub iterations: Vec<Iteration>,
    /// Sums of the rows' weights (steps, R), or none.
    pub weights: Vec<f64>,
    /// The metrics tensor's numbers.
    pub metrics: Vec<f32>,
}

/// One program's submissions.
#[derive(Default)]
pub(super) struct Flight {
    queue: VecDeque<InFlight>,
    spare: Vec<wgpu::Buffer>,
    done: VecDeque<Finished>,
    last_done: Option<Instant>,
    steps: usize,
}

impl Flight {
    /// Steps for the next submission: one to begin with, then as many as fit the target, at most doubling.
    pub fn steps(&self) -> usize {
        self.steps.max(1)
    }

    /// With the buffers for a program's metrics, if it has such, one for each submission that may be in flight.
    pub fn for_metrics(gpu: &Gpu, plan: &Plan, program: &Program) -> Self {
        let Some(metrics) = program.metrics else { return Self::default() };
        let staging = || {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("metrics staging"),
                size: plan.tensor(metrics.tensor).bytes(),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        Self { spare: std::iter::repeat_with(staging).take(DEPTH).collect(), ..Self::default() }
    }

    /// Bytes of its buffers.
    pub fn held_bytes(&self) -> u64 {
        self.spare.iter().chain(self.queue.iter().map(|flight| &flight.staging)).map(wgpu::Buffer::size).sum()
    }

    /// A buffer for metrics, once there is room in the queue.
    pub fn staging(&mut self, gpu: &Gpu) -> Result<wgpu::Buffer> {
        while self.queue.len() >= DEPTH {
            self.wait_for_first(gpu)?;
        }
        self.spare.pop().ok_or_else(|| Error::Device("no buffer is left for metrics".to_owned()))
    }

    /// Notes a submission that copies its metrics into `staging`.
    pub fn push(
        &mut self,
        program: ProgramId,
        (iterations, weights): (&[Iteration], &[f64]),
        staging: wgpu::Buffer,
        index: wgpu::SubmissionIndex,
    ) {
        let (sender, mapped) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only when the executor is, and then nobody waits for this.
            sender.send((result, now())).ok();
        });
        let (iterations, weights) = (iterations.to_vec(), weights.to_vec());
        self.queue.push_back(InFlight { program, iterations, weights, staging, submitted: now(), index, mapped });
    }

    /// What has finished; with `wait`, all that was submitted.
    pub fn finished(&mut self, gpu: &Gpu, wait: bool) -> Result<impl Iterator<Item = Finished> + use<'_>> {
        poll(gpu, wgpu::PollType::Poll)?;
        while !self.queue.is_empty() && (self.collect_first(gpu)? || wait) {
            if wait && !self.queue.is_empty() {
                self.wait_for_first(gpu)?;
            }
        }
        Ok(self.done.drain(..))
    }

    fn wait_for_first(&mut self, gpu: &Gpu) -> Result<()> {
        let Some(first) = self.queue.front() else { return Ok(()) };
        poll(gpu, wgpu::PollType::Wait { submission_index: Some(first.index.clone()), timeout: None })?;
        if !self.collect_first(gpu)? {
            // The work is done, but its mapping has not been reported yet.
            poll(gpu, wgpu::PollType::wait_indefinitely())?;
            self.collect_first(gpu)?;
        }
        Ok(())
    }

    /// Reads the oldest submission's metrics if they have arrived.
    fn collect_first(&mut self, gpu: &Gpu) -> Result<bool> {
        let Some(first) = self.queue.front_mut() else { return Ok(false) };
        let (result, at) = match first.mapped.try_recv() {
            Ok(None) => return gpu.check().map(|()| false),
            Ok(Some(arrived)) => arrived,
            Err(_) => return Err(Error::Device("the device dropped a read".to_owned())),
        };
        gpu.check()?;
        result.map_err(|error| Error::Device(error.to_string()))?;
        let Some(first) = self.queue.pop_front() else { return Ok(false) };
        let metrics = {
            let view = first.staging.get_mapped_range(..).map_err(|error| Error::Device(error.to_string()))?;
            bytemuck::pod_collect_to_vec(&view)
        };
        first.staging.unmap();
        self.spare.push(first.staging);
        let target = if gpu.is_software() { SOFTWARE_TARGET } else { TARGET };
        self.adapt(first.submitted, at, first.iterations.len(), target);
        self.done.push_back(Finished {
            program: first.program,
            iterations: first.iterations,
            weights: first.weights,
            metrics,
        });
        Ok(true)
    }

    /// A submission ran from its own start, or from the end of the one before, to the moment its metrics arrived.
    fn adapt(&mut self, submitted: Instant, done: Instant, steps: usize, target: Duration) {
        let from = self.last_done.map_or(submitted, |last| last.max(submitted));
        self.last_done = Some(done);
        let per_step = (done.saturating_duration_since(from) / steps as u32).max(Duration::from_nanos(100));
        let fitting = (target.as_nanos() / per_step.as_nanos()) as usize;
        self.steps = fitting.clamp(1, 2 * self.steps());
    }
}

/// Lets wgpu call back, and reports what has failed.
pub(super) fn poll(gpu: &Gpu, how: wgpu::PollType) -> Result<()> {
    let polled = gpu.device.poll(how);
    gpu.check()?;
    polled.map(|_| ()).map_err(|error| Error::Device(error.to_string()))
}

impl Gpu {
    /// A buffer's bytes, after all work submitted so far. Waits for them.
    pub(super) fn read_buffer(&self, buffer: &wgpu::Buffer) -> Result<Vec<u8>> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            sender.send(result).ok();
        });
        poll(self, wgpu::PollType::wait_indefinitely())?;
        let mapped = wait(receiver).map_err(|_| Error::Device("the device dropped a read".to_owned()))?;
        mapped.map_err(|error| Error::Device(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| Error::Device(error.to_string()))?;
        Ok(view.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_grows_with_fast_steps_and_shrinks_at_once_with_slow_ones() {
        let (mut flight, start) = (Flight::default(), now());
        let mut clock = start;
        let mut submission = |flight: &mut Flight, per_step: Duration| {
            let (submitted, steps) = (clock, flight.steps());
            clock += per_step * steps as u32;
            flight.adapt(submitted, clock, steps, TARGET);
            flight.steps()
        };
        let grown: Vec<_> = (0..5).map(|_| submission(&mut flight, Duration::from_millis(5))).collect();
        assert_eq!(grown, [2, 4, 8, 16, 16], "doubles at most, and stops where 80 ms are full");
        assert_eq!(submission(&mut flight, Duration::from_millis(40)), 2);
        assert_eq!(submission(&mut flight, Duration::from_secs(1)), 1, "never less than a step");
    }

    #[test]
    fn time_in_the_queue_behind_another_submission_is_not_counted() {
        let (mut flight, start) = (Flight::default(), now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        flight.adapt(at(0), at(160), 1, TARGET);
        assert_eq!(flight.steps(), 1);
        // Submitted right away, it began when the first was done.
        flight.adapt(at(1), at(200), 1, TARGET);
        assert_eq!(flight.steps(), 2);
    }
}
