//! What the operating system knows and does, in one place, so that another platform can do it another way: memory, time,
//! waiting, threads. Files are in `files.rs`.

use std::io::Result;

/// A moment, as [`now`] tells it.
pub(crate) type Instant = std::time::Instant;
/// A thread, as [`spawn`] starts it.
pub(crate) type Thread = std::thread::JoinHandle<()>;

/// The present moment of a clock that never goes back.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for what a device or an adapter answers.
pub(crate) fn wait<F: Future>(answer: F) -> F::Output {
    pollster::block_on(answer)
}

/// Starts a thread of this name.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Thread> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Bytes that the machine can still give out. Where the system does not say, the allocator decides.
pub(crate) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024)
}
