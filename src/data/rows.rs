//! Feature rows from a file of any of the four formats, for `predict`.

use super::{Features, csv, idx, npy, npz};
use crate::{Error, Result};
use std::{fs::File, io::Read, path::Path};

/// What the array of features is called in an NPZ file, unless somebody says.
const X: &[&str] = &["x_test", "X_test", "x", "X"];

/// Reads feature rows (N, I) from an IDX file of images (gzipped or not), an NPY file, an NPZ file or a CSV file.
///
/// IDX, NPY and NPZ are known by their first bytes, whatever the file is called; anything else must be called `.csv`. Of an
/// NPZ file the array is read that is called `x_test` (or `X_test`), else `x` or `X`, or the only one that there is.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is none of the four or a damaged one,
/// [`Error::Spec`] where no array is called so.
pub fn read_rows(path: &Path) -> Result<Features> {
    read_rows_called(path, None)
}

/// [`read_rows`], of an NPZ file the array of this name.
///
/// # Errors
/// As there; [`Error::Spec`] for an array that is not there, or a name where there are none.
pub fn read_rows_called(path: &Path, x: Option<&str>) -> Result<Features> {
    let start = first_bytes(path)?;
    if start.starts_with(npz::MAGIC) {
        return read_npz(path, x);
    }
    if x.is_some() {
        return Err(Error::spec("x", format!("is for NPZ files, which {} is not", path.display())));
    }
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
                  NPZ (numpy.savez), or CSV with a name that ends in .csv";
    Err(Error::data(path, reason))
}

fn read_npz(path: &Path, x: Option<&str>) -> Result<Features> {
    let mut arrays = npz::read(path)?;
    let at = |name: &str| arrays.iter().position(|(known, _)| known == name);
    let only = || (arrays.len() == 1).then_some(0);
    let found = match x {
        Some(name) => at(name),
        None => X.iter().find_map(|name| at(name)).or_else(only),
    };
    let Some(found) = found else {
        let wanted =
            x.map_or_else(|| format!("none of the arrays {}", X.join(", ")), |name| format!("no array `{name}`"));
        let known: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
        let reason = format!("{} has {wanted}; it has {}; name one with --x", path.display(), known.join(", "));
        return Err(Error::spec("x", reason));
    };
    let (name, array) = arrays.swap_remove(found);
    array.into_features().map_err(|error| Error::data(path, format!("array `{name}`: {error}")))
}

/// As many bytes as the longest magic, or the whole of a shorter file.
fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut start = Vec::new();
    file.take(npy::MAGIC.len() as u64).read_to_end(&mut start).map_err(|e| Error::io(path, "read", e))?;
    Ok(start)
}
