//! Feature rows from a file of any of the three formats, for `predict`.

use super::{Features, csv, idx, npy};
use crate::{Error, Result};
use std::{fs::File, io::Read, path::Path};

/// Reads feature rows (N, I) from an IDX file of images (gzipped or not), an NPY file or a CSV file.
///
/// IDX and NPY are known by their first bytes, whatever the file is called; anything else must be called `.csv`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is none of the three or a damaged one.
pub fn read_rows(path: &Path) -> Result<Features> {
    let start = first_bytes(path)?;
    if start == *npy::MAGIC {
        return npy::read(path);
    }
    if start.starts_with(&idx::GZIP_MAGIC) || start.starts_with(&[0, 0]) {
        return idx::read_images(path).map(Features::U8);
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        return csv::read(path);
    }
    let reason = "this is none of the formats that are read: IDX images (gzipped or not), NPY (numpy.save), \
                  or CSV with a name that ends in .csv";
    Err(Error::data(path, reason))
}

/// As many bytes as the longest magic, or the whole of a shorter file.
fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut start = Vec::new();
    file.take(npy::MAGIC.len() as u64).read_to_end(&mut start).map_err(|e| Error::io(path, "read", e))?;
    Ok(start)
}
