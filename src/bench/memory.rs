//! What the process holds of the machine's memory, where the system tells: on Linux.

use std::fs;

/// Bytes of memory that the process has now.
pub fn resident_bytes() -> Option<u64> {
    // smaps_rollup is exact, where status keeps a count for each core and is some pages behind.
    field("/proc/self/smaps_rollup", "Rss:").or_else(|| field("/proc/self/status", "VmRSS:"))
}

/// The most bytes of memory that the process has had since its start, or since [`reset_peak`].
pub fn peak_bytes() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// Has [`peak_bytes`] count from now on. A system that cannot do that keeps the peak since the process's start.
pub fn reset_peak() {
    // "5" resets the peak (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").ok();
}

/// A line like `VmHWM:   5124 kB`, in bytes.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(1024 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_holds_is_more_with_a_buffer_and_counted_from_a_reset() {
        let Some(before) = resident_bytes() else { return };
        let buffer = vec![1u8; 64 << 20];
        assert!(resident_bytes().unwrap() > before + (32 << 20));
        assert!(peak_bytes().unwrap() > before + (32 << 20));
        drop(buffer);
    }
}
