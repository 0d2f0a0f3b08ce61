//! A file's bytes, read once and whole: so that a pipe does as well as a file, and gzipped as well as not.

use super::idx::{GZIP_MAGIC, IdxError};
use super::{npy, npz};
use crate::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

/// The most bytes that are taken from what does not tell how many it has: a pipe, or a gzipped file, which may unpack to a
/// thousand times its size.
pub(super) const UNTOLD_LIMIT: u64 = 4 << 30;

/// Where the system keeps names of what a process has open already.
const HANDLES: [&str; 2] = ["/dev", "/proc"];

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// IDX: two zero bytes.
    Idx,
    /// An array of `numpy.save`.
    Npy,
    /// Arrays of `numpy.savez`.
    Npz,
    /// None of these, and so perhaps text.
    Other,
}

/// All that a file, a pipe or a reader held, unpacked where it was gzipped.
///
/// ```
/// use wgrad::data::{Content, Format, Table, TableFormat};
/// let content = Content::of("pets.csv", &b"kind,age\ncat,3\ndog,5\n"[..])?;
/// assert_eq!((content.format(), content.extension()), (Format::Other, "csv".to_owned()));
/// assert_eq!(Table::of(&content, TableFormat::default())?.len(), 2);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Content {
    path: PathBuf,
    bytes: Vec<u8>,
    pipe: bool,
}

impl Content {
    /// Reads a file, or a pipe to its end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] for a device, for a gzip stream that is cut off or corrupt, and for more than 4 GiB
    /// out of a pipe or a gzipped file.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
        let found = file.metadata().map_err(|e| Error::io(path, "read", e))?;
        let told = found.is_file().then_some(found.len());
        if is_endless(&file, &found) {
            let reason = "this is a device and no file: it has no rows, or no end of them; save them to a file first";
            return Err(Error::data(path, reason));
        }
        let is_handle = path.extension().is_none() && HANDLES.iter().any(|handles| path.starts_with(handles));
        let pipe = told.is_none() || is_handle;
        Ok(Self { path: path.to_path_buf(), bytes: whole(path, file, told)?, pipe })
    }

    /// Reads to the end what somebody else has opened, such as standard input; `path` is what messages call it, and where
    /// its extension comes from.
    ///
    /// # Errors
    /// As [`Content::read`].
    pub fn of(path: impl Into<PathBuf>, reader: impl Read) -> Result<Self> {
        let path = path.into();
        let bytes = whole(&path, reader, None)?;
        Ok(Self { path, bytes, pipe: true })
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it, unpacked.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it can be read but once and has no name to tell what it is: a pipe, `/dev/stdin`, a reader.
    pub fn is_pipe(&self) -> bool {
        self.pipe
    }

    /// What it is.
    pub fn format(&self) -> Format {
        let begins = |magic: &[u8]| self.bytes.starts_with(magic);
        match () {
            () if begins(npy::MAGIC) => Format::Npy,
            () if begins(npz::MAGIC) => Format::Npz,
            () if begins(&[0, 0]) => Format::Idx,
            () => Format::Other,
        }
    }

    /// The end of its name in small letters, `.gz` aside: `csv` of `rows.CSV.gz`; empty where it has none.
    pub fn extension(&self) -> String {
        Self::extension_of(&self.path)
    }

    /// [`Content::extension`], of what is not read.
    pub fn extension_of(path: &Path) -> String {
        let lower = |path: &Path| path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match lower(path) {
            gz if gz == "gz" => lower(&path.with_extension("")),
            own => own,
        }
    }
}

/// Whether reading might never come to an end: a device that is no terminal, at which somebody types.
#[cfg(unix)]
fn is_endless(file: &File, found: &Metadata) -> bool {
    use std::{io::IsTerminal, os::unix::fs::FileTypeExt};
    let kind = found.file_type();
    kind.is_block_device() || kind.is_char_device() && !file.is_terminal()
}

#[cfg(not(unix))]
fn is_endless(_: &File, _: &Metadata) -> bool {
    false
}

/// Everything that a reader has, unpacked; `told` is how many bytes there are, if that is known.
fn whole(path: &Path, mut reader: impl Read, told: Option<u64>) -> Result<Vec<u8>> {
    let failed = |e| Error::io(path, "read", e);
    let mut start = Vec::new();
    reader.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start).map_err(failed)?;
    let gzipped = start == GZIP_MAGIC;
    let mut bytes = Vec::new();
    // What a file system says is no promise, and no reason to end the program where it is too much.
    bytes.try_reserve_exact(told.filter(|_| !gzipped).and_then(|len| usize::try_from(len).ok()).unwrap_or(0)).ok();
    let all = Cursor::new(start).chain(reader);
    let limit = UNTOLD_LIMIT + 1; // one more, so that too much is noticed
    let read = match (gzipped, told) {
        (true, _) => MultiGzDecoder::new(all).take(limit).read_to_end(&mut bytes),
        (false, None) => all.take(limit).read_to_end(&mut bytes),
        (false, Some(_)) => { all }.read_to_end(&mut bytes),
    };
    match read {
        Err(e) if gzipped && is_corrupt(&e) => Err(Error::data(path, IdxError::Gzip(e).to_string())),
        Err(e) => Err(failed(e)),
        Ok(_) if (gzipped || told.is_none()) && bytes.len() as u64 > UNTOLD_LIMIT => {
            let way_out = if gzipped { "unpack it with gunzip" } else { "save it to a file first" };
            let what = if gzipped { "gzipped files" } else { "pipes" };
            Err(Error::data(path, format!("{what} are read up to {UNTOLD_LIMIT} bytes, and here are more; {way_out}")))
        }
        Ok(_) => Ok(bytes),
    }
}

/// Whether it is the stream that is wrong, and not the reading of it.
pub(super) fn is_corrupt(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidInput | InvalidData | UnexpectedEof)
}
