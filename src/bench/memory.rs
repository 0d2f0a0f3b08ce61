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

fn field(path: &str, name: &str) -> Option<u64> {
    bytes(&fs::read_to_string(path).ok()?, name)
}

/// A line like `VmHWM:   5124 kB`, in bytes.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(1024 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_status_files_are_read_as_bytes() {
        let text = "Name:\twgrad\nVmHWM:\t    5124 kB\nVmRSS:\t    4000 kB\n";
        assert_eq!(
            [bytes(text, "VmHWM:"), bytes(text, "VmRSS:"), bytes(text, "Rss:")],
            [Some(5_246_976), Some(4_096_000), None]
        );
    }

    /// Other tests of this process come and go meanwhile, so that there is no exact answer.
    #[test]
    fn linux_tells_what_a_process_holds() {
        if cfg!(target_os = "linux") {
            assert!(resident_bytes() > Some(1 << 20) && peak_bytes() > Some(1 << 20));
        }
    }
}
