//! The way of the host's data into buffers.

use super::Gpu;
use super::queue::poll;
use crate::error::Result;

/// How much of a large upload goes into one submission.
pub(super) const CHUNK: usize = 16 << 20;

/// Uploads under way. wgpu holds what is written in buffers of its own until a submission has taken it, however much that
/// is: at most two [`CHUNK`]s of it are under way, one on the device and one that is filled meanwhile.
#[derive(Default)]
pub(super) struct Uploads {
    /// Bytes since the last submission that was made for uploads.
    bytes: usize,
    last: Option<wgpu::SubmissionIndex>,
}

impl Uploads {
    /// Writes bytes into a buffer, behind all work submitted so far. A tail of less than a word is padded.
    pub fn write(&mut self, gpu: &Gpu, buffer: &wgpu::Buffer, offset: usize, bytes: &[u8]) -> Result<()> {
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            self.make_room(gpu, chunk.len())?;
            let (at, whole) = ((offset + index * CHUNK) as u64, chunk.len() / 4 * 4);
            gpu.queue.write_buffer(buffer, at, &chunk[..whole]);
            if whole < chunk.len() {
                let mut tail = [0; 4];
                tail[..chunk.len() - whole].copy_from_slice(&chunk[whole..]);
                gpu.queue.write_buffer(buffer, at + whole as u64, &tail);
            }
        }
        Ok(())
    }

    fn make_room(&mut self, gpu: &Gpu, bytes: usize) -> Result<()> {
        if self.bytes + bytes > CHUNK {
            if let Some(before) = self.last.take() {
                poll(gpu, wgpu::PollType::Wait { submission_index: Some(before), timeout: None })?;
            }
            self.last = Some(gpu.queue.submit([]));
            self.bytes = 0;
        }
        self.bytes += bytes;
        Ok(())
    }
}
