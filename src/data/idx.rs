//! IDX, the format of MNIST and its relatives: two zero bytes, an element type, a number of dimensions, the dimensions
//! as big-endian u32, then the elements. Read gzipped or not, told apart by content, because names lie.

use super::content::{Content, UNTOLD_LIMIT as GZIP_LIMIT, is_corrupt};
use crate::{Error, Result};
use flate2::{CrcReader, read::MultiGzDecoder};
use ndarray::Array2;
use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read},
    path::Path,
};

/// The two bytes that every gzip stream begins with (RFC 1952).
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The element types that the format names, by code; wgrad reads the first.
const ELEMENT_TYPES: [(u8, &str); 6] =
    [(U8, "u8"), (0x09, "i8"), (0x0b, "i16"), (0x0c, "i32"), (0x0d, "f32"), (0x0e, "f64")];
const U8: u8 = 0x08;

/// Most dimensions accepted: samples, rows, columns, channels.
const MAX_RANK: usize = 4;

/// A whole IDX file of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    dims: Vec<usize>,
    data: Vec<u8>,
    crc: u32,
}

/// Why bytes are not an IDX file that wgrad reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the messages say what the fields are
pub enum IdxError {
    #[error("cannot read: {0}")]
    Io(io::Error),
    #[error("the gzip stream is cut off or corrupt ({0}); fetch the file again")]
    Gzip(io::Error),
    #[error("this is not an IDX file: it begins with bytes {had:02x?} instead of 00 00 08 and a number of dimensions")]
    NotIdx { had: Vec<u8> },
    #[error("the elements are {had}, but only u8 is read from IDX; save other types as NPY or CSV")]
    ElementType { had: &'static str },
    #[error("the file has {had} dimension(s), but {wanted} are needed; were images and labels exchanged?")]
    Rank { wanted: &'static str, had: usize },
    #[error("the header announces an empty array of shape {dims:?}")]
    Empty { dims: Vec<usize> },
    #[error("the header announces an array of shape {dims:?}, larger than memory can be; the header is damaged")]
    TooLarge { dims: Vec<usize> },
    #[error("the header announces {wanted} bytes; gzipped files are read up to {GZIP_LIMIT}: unpack it with gunzip")]
    GzipTooLong { wanted: u64 },
    #[error("the file is truncated: the {part} needs {wanted} bytes, but {had} are there; fetch the file again")]
    Truncated { part: &'static str, wanted: u64, had: u64 },
    #[error("the file is too long: the header announces {wanted} bytes of data, but at least {had} are there")]
    Oversized { wanted: u64, had: u64 },
}

impl IdxError {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::Io(source) => Error::io(path, "read", source),
            other => Error::data(path, other.to_string()),
        }
    }
}

impl Idx {
    /// The dimensions, samples first; one to four, none of them zero.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The elements in C order.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// CRC-32 of the whole file as it is uncompressed, header included.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The file as images (N, I): the first dimension counts them, the others (one to three) are flattened.
    ///
    /// # Errors
    /// [`IdxError::Rank`] for a file of one dimension.
    pub fn into_images(self) -> Result<Array2<u8>, IdxError> {
        match self.dims[..] {
            [samples, ref pixels @ ..] if !pixels.is_empty() => {
                let inputs = pixels.iter().product(); // cannot overflow: the data of this size is in memory
                Array2::from_shape_vec((samples, inputs), self.data).map_err(|_| IdxError::TooLarge { dims: self.dims })
            }
            _ => Err(IdxError::Rank { wanted: "2 to 4 (images)", had: self.dims.len() }),
        }
    }

    /// The file as class labels (N,).
    ///
    /// # Errors
    /// [`IdxError::Rank`] for a file of more than one dimension.
    pub fn into_labels(self) -> Result<Vec<u32>, IdxError> {
        match self.dims.len() {
            1 => Ok(self.data.into_iter().map(u32::from).collect()),
            had => Err(IdxError::Rank { wanted: "exactly 1 (labels)", had }),
        }
    }
}

/// Reads a file of images as (N, I) bytes, gzipped or not.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is not an IDX file of images.
pub fn read_images(path: &Path) -> Result<Array2<u8>> {
    images(path, read(path)?)
}

/// Reads a file of labels as (N,) class indices, gzipped or not.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is not an IDX file of labels.
pub fn read_labels(path: &Path) -> Result<Vec<u32>> {
    labels(path, read(path)?)
}

/// The images of a file that was read.
pub(super) fn images_of(content: &Content) -> Result<Array2<u8>> {
    images(content.path(), parse(content.bytes()).map_err(|e| e.at(content.path()))?)
}

/// [`Idx::into_images`], with the file named in the error.
pub(super) fn images(path: &Path, idx: Idx) -> Result<Array2<u8>> {
    idx.into_images().map_err(|e| e.at(path))
}

/// [`Idx::into_labels`], with the file named in the error.
pub(super) fn labels(path: &Path, idx: Idx) -> Result<Vec<u32>> {
    idx.into_labels().map_err(|e| e.at(path))
}

/// Reads any IDX file of bytes, gzipped or not.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when it is not an IDX file of bytes.
pub fn read(path: &Path) -> Result<Idx> {
    let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    decode(BufReader::new(file)).map_err(|e| e.at(path))
}

/// Parses the bytes of an IDX file, gzipped or not. Never panics, and allocates no more than the data that is there.
///
/// # Errors
/// Every way of not being such a file, as [`IdxError`].
pub fn parse(bytes: &[u8]) -> Result<Idx, IdxError> {
    decode(bytes)
}

fn decode(mut reader: impl Read) -> Result<Idx, IdxError> {
    let start = read_up_to(&mut reader, 2).map_err(IdxError::Io)?;
    let gzipped = start == GZIP_MAGIC;
    let whole = Cursor::new(start).chain(reader);
    if gzipped { decode_plain(MultiGzDecoder::new(whole), true) } else { decode_plain(whole, false) }
}

fn decode_plain(reader: impl Read, gzipped: bool) -> Result<Idx, IdxError> {
    let mut reader = CrcReader::new(reader);
    let dims = read_dims(&mut reader, gzipped)?;
    let wanted = byte_count(&dims)?;
    if gzipped && wanted > GZIP_LIMIT {
        return Err(IdxError::GzipTooLong { wanted });
    }
    let data = read_data(&mut reader, wanted, gzipped)?;
    Ok(Idx { dims, data, crc: reader.crc().sum() })
}

fn read_dims(reader: &mut impl Read, gzipped: bool) -> Result<Vec<usize>, IdxError> {
    let magic = read_up_to(reader, 4).map_err(|e| read_error(e, gzipped))?;
    let rank = rank(&magic)?;
    let wanted = 4 * rank as u64;
    let bytes = read_up_to(reader, wanted).map_err(|e| read_error(e, gzipped))?;
    let had = bytes.len() as u64;
    if had < wanted {
        return Err(IdxError::Truncated { part: "header", wanted: 4 + wanted, had: 4 + had });
    }
    Ok(bytes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect())
}

/// Number of dimensions from the first four bytes of a file.
fn rank(magic: &[u8]) -> Result<usize, IdxError> {
    let not_idx = || IdxError::NotIdx { had: magic.to_vec() };
    let &[0, 0, code, rank] = magic else { return Err(not_idx()) };
    let &(_, element) = ELEMENT_TYPES.iter().find(|(known, _)| *known == code).ok_or_else(not_idx)?;
    if code != U8 {
        return Err(IdxError::ElementType { had: element });
    }
    match usize::from(rank) {
        rank @ 1..=MAX_RANK => Ok(rank),
        had => Err(IdxError::Rank { wanted: "1 (labels) or 2 to 4 (images)", had }),
    }
}

fn byte_count(dims: &[usize]) -> Result<u64, IdxError> {
    if dims.contains(&0) {
        return Err(IdxError::Empty { dims: dims.to_vec() });
    }
    dims.iter()
        .try_fold(1_usize, |product, &dim| product.checked_mul(dim))
        .filter(|&product| isize::try_from(product).is_ok())
        .map(|product| product as u64)
        .ok_or_else(|| IdxError::TooLarge { dims: dims.to_vec() })
}

/// Reads exactly `wanted` bytes, and one more to see that there is none, so that a bomb is not unpacked.
fn read_data(reader: &mut impl Read, wanted: u64, gzipped: bool) -> Result<Vec<u8>, IdxError> {
    let mut data = read_up_to(reader, wanted + 1).map_err(|e| read_error(e, gzipped))?;
    data.shrink_to_fit(); // it grew by doubling
    let had = data.len() as u64;
    if had < wanted {
        return Err(IdxError::Truncated { part: "data", wanted, had });
    }
    if had > wanted {
        // Counting the rest of a plain file is cheap and bounded by its length; a gzip bomb has no such bound.
        let rest = if gzipped { 0 } else { io::copy(reader, &mut io::sink()).map_err(IdxError::Io)? };
        return Err(IdxError::Oversized { wanted, had: had + rest });
    }
    Ok(data)
}

/// The buffer grows with what is read, not with what a header promises.
fn read_up_to(reader: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_error(error: io::Error, gzipped: bool) -> IdxError {
    if gzipped && is_corrupt(&error) { IdxError::Gzip(error) } else { IdxError::Io(error) }
}
