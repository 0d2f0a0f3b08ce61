//! NPY, what `numpy.save` writes: versions 1 to 3; f32, f64, whole numbers, booleans and text, little-endian, in C or Fortran order.

use super::{Content, Features};
use crate::{Error, Result};
use std::path::Path;

mod array;
mod header;
pub use array::{Elements, NpyArray, parse_array};

/// The six bytes that every NPY file begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Why bytes are not an NPY file that wgrad reads. Rows and columns count from 0, as in NumPy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the messages say what the fields are
pub enum NpyError {
    #[error("this is not an NPY file: it does not begin with \\x93NUMPY")]
    NotNpy,
    #[error("NPY version {major}.{minor} is not known; save the array with numpy.save, which writes 1.0 to 3.0")]
    Version { major: u8, minor: u8 },
    #[error("the NPY header cannot be read: {0}; save the array again with numpy.save")]
    Header(String),
    #[error(
        "the elements are {0}, but '<f4', '<f8', whole numbers ('|u1' to '<i8') and '|b1' are read; convert with x.astype('<f4')"
    )]
    ElementType(String),
    #[error(
        "the array has shape {0:?}, but (N, I) is needed; for one sample, save x.reshape(1, -1), for one feature x.reshape(-1, 1)"
    )]
    Rank(Vec<usize>),
    #[error("the array of shape {0:?} is empty")]
    Empty(Vec<usize>),
    #[error("the header announces an array of shape {0:?}, larger than memory can be; the header is damaged")]
    TooLarge(Vec<usize>),
    #[error("the file is truncated: the header announces {wanted} bytes of data, but {had} are there")]
    Truncated { wanted: usize, had: usize },
    #[error("the file is too long: the header announces {wanted} bytes of data, but {had} are there")]
    Oversized { wanted: usize, had: usize },
    #[error("element {at} (from 0) is {value}, a whole number beyond 64 signed bits; convert with x.astype('<f4')")]
    TooWide { at: usize, value: u64 },
    #[error("element {at} (from 0) is no text: {value:#x} is no character")]
    NotText { at: usize, value: u32 },
    #[error("row {row}, column {column} (both from 0) is {value} in 32 bits; every number must be finite")]
    NotFinite { row: usize, column: usize, value: f32 },
}

/// Reads an NPY file as (N, I).
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is not an NPY file as [`parse`] reads it.
pub fn read(path: &Path) -> Result<Features> {
    of(&Content::read(path)?)
}

/// [`parse`], with the file named in the error.
pub(super) fn of(content: &Content) -> Result<Features> {
    parse(content.bytes()).map_err(|e| Error::data(content.path(), e.to_string()))
}

/// Parses an NPY file as (N, I): the first dimension counts samples, the others are flattened. Bytes stay bytes, f64 and
/// whole numbers are rounded to f32. Never panics, and allocates no more than the data that is there.
///
/// # Errors
/// The first thing that is wrong, as [`NpyError`]; among them a NaN or an infinity.
pub fn parse(bytes: &[u8]) -> Result<Features, NpyError> {
    parse_array(bytes)?.into_features()
}

/// The header's text and what follows it. Version 1 has a u16 for the header's length, versions 2 and 3 a u32.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), NpyError> {
    let cut_off = || NpyError::Header("the file ends inside it".into());
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::NotNpy)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut_off)?;
    let (length, rest) = match version {
        [1, 0] => rest.split_first_chunk::<2>().map(|(n, rest)| (u32::from(u16::from_le_bytes(*n)), rest)),
        [2 | 3, 0] => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n), rest)),
        &[major, minor] => return Err(NpyError::Version { major, minor }),
    }
    .ok_or_else(cut_off)?;
    rest.split_at_checked(length as usize).ok_or_else(cut_off)
}

fn check_length(wanted: usize, had: usize) -> Result<(), NpyError> {
    match had {
        _ if had < wanted => Err(NpyError::Truncated { wanted, had }),
        _ if had > wanted => Err(NpyError::Oversized { wanted, had }),
        _ => Ok(()),
    }
}
