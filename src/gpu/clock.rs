//! How long work takes on the device: by its own clock where it has one, else by the host's.

use super::Gpu;
use super::queue::poll;
use crate::error::{Error, Result};
use crate::executor::{Clock, Timing};
use crate::platform::now;

/// Begin and end of a pass, 64 bits each.
const TIMESTAMPS: u32 = 2;
const TIMESTAMP_BYTES: u64 = 8 * TIMESTAMPS as u64;

/// Runs one compute pass, after all work submitted before it, and waits for it. Encoding is not timed.
pub(super) fn time_pass(gpu: &Gpu, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) -> Result<Timing> {
    poll(gpu, wgpu::PollType::wait_indefinitely())?;
    let stamps = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Stamps::new(gpu));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    {
        let timestamp_writes = stamps.as_ref().map(Stamps::writes);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        encode(&mut pass);
    }
    if let Some(stamps) = &stamps {
        stamps.resolve(&mut encoder);
    }
    let commands = encoder.finish();
    let started = now();
    gpu.queue.submit([commands]);
    poll(gpu, wgpu::PollType::wait_indefinitely())?;
    let host = started.elapsed().as_secs_f64();
    let device = stamps.map(|stamps| stamps.seconds(gpu)).transpose()?;
    Ok(choose(host, device))
}

/// The device's own time, unless it cannot be true: none at all, or longer than the host waited.
fn choose(host: f64, device: Option<f64>) -> Timing {
    match device {
        Some(seconds) if seconds > 0.0 && seconds <= host => Timing { seconds, clock: Clock::Device },
        _ => Timing { seconds: host, clock: Clock::Host },
    }
}

/// The device's clock at the begin and the end of a pass.
struct Stamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

impl Stamps {
    fn new(gpu: &Gpu) -> Self {
        let label = Some("timestamps");
        let ty = wgpu::QueryType::Timestamp;
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor { label, ty, count: TIMESTAMPS });
        let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label,
            size: TIMESTAMP_BYTES,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Self { queries, resolved }
    }

    fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..TIMESTAMPS, &self.resolved, 0);
    }

    fn seconds(&self, gpu: &Gpu) -> Result<f64> {
        let bytes = gpu.read_buffer(&self.resolved)?;
        let [begin, end] = bytemuck::pod_collect_to_vec::<u8, u64>(&bytes)[..] else {
            return Err(Error::Device("the device dropped a timestamp".to_owned()));
        };
        let ticks = end.saturating_sub(begin) as f64;
        Ok(ticks * f64::from(gpu.queue.get_timestamp_period()) * 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_clock_is_believed_only_where_it_can_be_true() {
        let by = |clock, seconds| Timing { seconds, clock };
        assert_eq!(choose(2.0, Some(1.5)), by(Clock::Device, 1.5));
        for impossible in [None, Some(0.0), Some(2.5), Some(f64::NAN)] {
            assert_eq!(choose(2.0, impossible), by(Clock::Host, 2.0));
        }
    }
}
