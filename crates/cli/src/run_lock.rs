//! One process at a time writes to a run's directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use wgrad::Error;

use crate::{Failure, Result};

/// Held while a run writes to its directory. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock {
    _held: Option<File>,
}

impl RunLock {
    /// Takes the directory, which must be there. Where the file system knows no locks, nothing is held.
    pub fn take(directory: &Path) -> Result<Self> {
        let opened = open(directory);
        let file = opened.map_err(|source| Error::Io { path: directory.to_path_buf(), action: "open", source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _held: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                let reason = "another wgrad is training into this directory; wait until it ends or stop it, or give \
                              another --out";
                Err(Failure::Usage(format!("{}: {reason}", directory.display())))
            }
            Err(TryLockError::Error(_)) => Ok(Self { _held: None }),
        }
    }
}

/// The directory itself, so that no file is left behind.
#[cfg(unix)]
fn open(directory: &Path) -> std::io::Result<File> {
    File::open(directory)
}

/// Directories cannot be locked here.
#[cfg(not(unix))]
fn open(directory: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(directory.join("lock"))
}
