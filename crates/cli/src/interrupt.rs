//! Ctrl-C: the first one asks the run to stop where it can be resumed, the second ends the command at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Failure, Result};

/// What shells report for a command that Ctrl-C ended.
pub const STATUS: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C, and on Unix `kill`, only set a flag.
pub fn watch() -> Result<()> {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(STATUS));
        }
    };
    ctrlc::set_handler(handler).map_err(|error| Failure::Verdict(format!("cannot watch for Ctrl-C: {error}")))
}

/// Whether it has come.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
