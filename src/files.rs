//! Files that appear whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file under a temporary name beside `path`, syncs it and renames it, so that no reader, and no crash, ever
/// sees a part of it.
///
/// # Errors
/// [`Error::Io`] that names the file or its directory.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // A temporary file is private by default; this one becomes the user's file, with the mode that the umask gives.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory).map_err(|e| Error::io(directory, "create a file in", e))?;
    file.write_all(bytes).map_err(|e| Error::io(path, "write", e))?;
    file.as_file().sync_all().map_err(|e| Error::io(path, "sync", e))?;
    file.persist(path).map_err(|e| Error::io(path, "create", e.error))?;
    sync_directory(directory)
}

/// The rename itself lasts only once the directory is synced.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<()> {
    let opened = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
    opened.map_err(|e| Error::io(directory, "sync", e))
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<()> {
    Ok(())
}
