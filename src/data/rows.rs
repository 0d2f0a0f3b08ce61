//! Feature rows from a file of any of the four formats, for `predict`.

use super::{Content, Features, Format, csv, idx, npy, npz};
use crate::hint::Hint;
use crate::{Error, Result};
use std::path::Path;

/// What the array of features is called in an NPZ file, unless somebody says.
const X: &[&str] = &["x_test", "X_test", "x", "X"];

/// Reads feature rows (N, I) from an IDX file of images, an NPY file, an NPZ file or a CSV file, each gzipped or not, or from
/// a pipe.
///
/// IDX, NPY and NPZ are known by their first bytes, whatever the file is called; anything else must be called `.csv` or
/// `.csv.gz`, or come out of a pipe. Of an NPZ file the array is read that is called `x_test` (or `X_test`), else `x` or `X`, or the only one that there is.
///
/// # Errors
/// As [`Content::read`]; [`Error::Data`] when it is none of the four or a damaged one, [`Error::Spec`] where no array is
/// called so.
pub fn read_rows(path: &Path) -> Result<Features> {
    read_rows_called(path, None)
}

/// [`read_rows`], of an NPZ file the array of this name.
///
/// # Errors
/// As there; [`Error::Spec`] for an array that is not there, or a name where there are none.
pub fn read_rows_called(path: &Path, x: Option<&str>) -> Result<Features> {
    rows_of(&Content::read(path)?, x)
}

/// [`read_rows_called`], of what was read already.
///
/// # Errors
/// As there.
pub fn rows_of(content: &Content, x: Option<&str>) -> Result<Features> {
    let path = content.path();
    match (content.format(), x) {
        (Format::Npz, _) => of_npz(content, x),
        (_, Some(_)) => Err(Error::spec("x", format!("is for NPZ files, which {} is not", path.display()))),
        (Format::Npy, None) => npy::of(content),
        (Format::Idx, None) => idx::images_of(content).map(Features::U8),
        (Format::Other, None) if content.is_pipe() || content.extension() == "csv" => csv::of(content),
        (Format::Other, None) => {
            let reason = "this is none of the formats that are read: IDX images, NPY (numpy.save), NPZ (numpy.savez), \
                          or CSV with a name that ends in .csv, each gzipped or not";
            Err(Error::data(path, reason))
        }
    }
}

fn of_npz(content: &Content, x: Option<&str>) -> Result<Features> {
    let (path, mut arrays) = (content.path(), npz::of(content)?);
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
        let reason = format!("{} has {wanted}; it has {}", path.display(), known.join(", "));
        return Err(Error::spec("x", reason).hinting(Hint::ArrayX));
    };
    let (name, array) = arrays.swap_remove(found);
    array.into_features().map_err(|error| Error::data(path, format!("array `{name}`: {error}")))
}
