//! Work that shows what a device can do at most.

use super::Timing;
use crate::error::Result;

/// Work of a known size that a device repeats as often as asked.
pub(crate) trait Probe {
    /// Bytes or operations of one repetition.
    fn work(&self) -> f64;
    /// Does it, and waits.
    fn run(&mut self, times: usize) -> Result<Timing>;
    /// The most repetitions of one run.
    fn most(&self) -> usize {
        1 << 16
    }
    /// An error if the last run did not do what it was to do.
    fn check(&mut self) -> Result<()>;
}

/// Words to copy, no two alike, so that a word in the wrong place shows.
pub(crate) fn copy_source(words: usize) -> Vec<u32> {
    // The odd factor (Knuth's, 2^32 over the golden ratio) makes it a permutation.
    (0..words as u32).map(|n| n.wrapping_mul(0x9E37_79B1)).collect()
}
