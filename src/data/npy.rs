//! NPY, what `numpy.save` writes: versions 1 to 3, little-endian f32 and f64, and u8, in C order.

use super::{Features, dataset::first_non_finite};
use crate::{Error, Result};
use ndarray::Array2;
use std::{fs, path::Path};

mod header;
use header::Header;

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
    #[error("the elements are {0}, but '<f4', '<f8' and '|u1' are read; convert with x.astype('<f4')")]
    ElementType(String),
    #[error("the array is in Fortran order; save numpy.ascontiguousarray(x) instead")]
    FortranOrder,
    #[error("the array has shape {0:?}, but (N, I) is needed; for one sample, save x.reshape(1, -1)")]
    Rank(Vec<usize>),
    #[error("the array of shape {0:?} is empty")]
    Empty(Vec<usize>),
    #[error("the header announces an array of shape {0:?}, larger than memory can be; the header is damaged")]
    TooLarge(Vec<usize>),
    #[error("the file is truncated: the header announces {wanted} bytes of data, but {had} are there")]
    Truncated { wanted: usize, had: usize },
    #[error("the file is too long: the header announces {wanted} bytes of data, but {had} are there")]
    Oversized { wanted: usize, had: usize },
    #[error("row {row}, column {column} (both from 0) is {value} in 32 bits; every number must be finite")]
    NotFinite { row: usize, column: usize, value: f32 },
}

#[derive(Clone, Copy)]
enum Element {
    U8,
    F32,
    F64,
}

impl Element {
    fn parse(descr: &str) -> Result<Self, NpyError> {
        match descr {
            "|u1" => Ok(Self::U8),
            "<f4" => Ok(Self::F32),
            "<f8" => Ok(Self::F64),
            other => Err(NpyError::ElementType(other.into())),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Reads an NPY file as (N, I).
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is not an NPY file as [`parse`] reads it.
pub fn read(path: &Path) -> Result<Features> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    parse(&bytes).map_err(|e| Error::data(path, e.to_string()))
}

/// Parses an NPY file as (N, I): the first dimension counts samples, the others are flattened. f64 is rounded to f32.
/// Never panics, and allocates no more than the data that is there.
///
/// # Errors
/// The first thing that is wrong, as [`NpyError`]; among them a NaN or an infinity.
pub fn parse(bytes: &[u8]) -> Result<Features, NpyError> {
    let (text, data) = split(bytes)?;
    let header = Header::parse(text)?;
    if header.fortran_order {
        return Err(NpyError::FortranOrder);
    }
    let element = Element::parse(&header.descr)?;
    let dim = matrix_shape(&header.shape, element.bytes())?;
    check_length(dim.0 * dim.1 * element.bytes(), data.len())?;
    convert(element, dim, data).ok_or(NpyError::TooLarge(header.shape)).and_then(check_finite)
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

/// (N, I) of a shape whose bytes are known to fit an allocation.
fn matrix_shape(shape: &[usize], element_bytes: usize) -> Result<(usize, usize), NpyError> {
    let [samples, inner @ ..] = shape else { return Err(NpyError::Rank(shape.to_vec())) };
    if inner.is_empty() {
        return Err(NpyError::Rank(shape.to_vec()));
    }
    if shape.contains(&0) {
        return Err(NpyError::Empty(shape.to_vec()));
    }
    let bytes = shape.iter().try_fold(element_bytes, |product, &dim| product.checked_mul(dim));
    match bytes {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok((*samples, inner.iter().product())),
        _ => Err(NpyError::TooLarge(shape.to_vec())),
    }
}

fn check_length(wanted: usize, had: usize) -> Result<(), NpyError> {
    match had {
        _ if had < wanted => Err(NpyError::Truncated { wanted, had }),
        _ if had > wanted => Err(NpyError::Oversized { wanted, had }),
        _ => Ok(()),
    }
}

/// None when the elements do not fill `dim`, which [`check_length`] has ruled out.
fn convert(element: Element, dim: (usize, usize), data: &[u8]) -> Option<Features> {
    match element {
        Element::U8 => Array2::from_shape_vec(dim, data.to_vec()).ok().map(Features::U8),
        Element::F32 => floats(dim, data, f32::from_le_bytes),
        Element::F64 => floats(dim, data, |bytes| f64::from_le_bytes(bytes) as f32),
    }
}

fn floats<const BYTES: usize>(
    dim: (usize, usize),
    data: &[u8],
    convert: impl Fn([u8; BYTES]) -> f32,
) -> Option<Features> {
    let (elements, _) = data.as_chunks::<BYTES>();
    Array2::from_shape_vec(dim, elements.iter().map(|&bytes| convert(bytes)).collect()).ok().map(Features::F32)
}

fn check_finite(features: Features) -> Result<Features, NpyError> {
    let Features::F32(x) = &features else { return Ok(features) };
    match first_non_finite(x.view()) {
        Some((row, column, value)) => Err(NpyError::NotFinite { row, column, value }),
        None => Ok(features),
    }
}
