//! Files that appear whole or not at all, and where wgrad keeps its own.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The user's directory for what wgrad finds out about the machine, if the system tells: `wgrad` in `$XDG_CACHE_HOME`, or
/// in the system's own place for caches. It need not be there yet.
pub fn cache_directory() -> Option<PathBuf> {
    // A relative path would be another directory in each place that wgrad is run from (XDG says: ignore it).
    let named = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = || match () {
        () if cfg!(windows) => named("LOCALAPPDATA"),
        () if cfg!(target_os = "macos") => Some(named("HOME")?.join("Library/Caches")),
        () => Some(named("HOME")?.join(".cache")),
    };
    Some(named("XDG_CACHE_HOME").or_else(usual)?.join("wgrad"))
}

/// Prefix of temporary files.
const TEMPORARY: &str = ".wgrad-";

/// Removes what writes that were cut off have left in a directory.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_temporary(directory: &Path) -> Result<()> {
    let failed = |e| Error::io(directory, "read", e);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            std::fs::remove_file(entry.path()).map_err(|e| Error::io(&entry.path(), "remove", e))?;
        }
    }
    Ok(())
}

/// Writes a file under a temporary name beside `path`, syncs it and renames it, so that no reader, and no crash, ever
/// sees a part of it.
///
/// # Errors
/// [`Error::Io`] that names the file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // A temporary file is private by default; this one becomes the user's file, with the mode that the umask gives.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let created = builder.tempfile_in(directory);
    let mut file = created.map_err(|e| Error::io(path, "create", without_path(e)))?;
    file.write_all(bytes).map_err(|e| Error::io(path, "write", without_path(e)))?;
    file.as_file().sync_all().map_err(|e| Error::io(path, "sync", e))?;
    file.persist(path).map_err(|e| Error::io(path, "create", e.error))?;
    sync_directory(directory)
}

/// Whether files can be made in a directory, and written: permissions alone do not tell, nor does a full disk let on before.
///
/// # Errors
/// What the system says to a small file, which is gone again.
pub fn check_writable(directory: &Path) -> std::io::Result<()> {
    let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| file.write_all(b"probe"));
    written.map_err(without_path)
}

/// The system's message, without the temporary file's name, which tells nobody anything.
fn without_path(error: std::io::Error) -> std::io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((said, _)) if error.get_ref().is_some() => std::io::Error::new(error.kind(), said.to_owned()),
        _ => error,
    }
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
