//! An array of any shape and of the element types that training sets are made of.

use super::{NpyError, check_length, header::Header, split};
use crate::data::{Features, dataset::first_non_finite};
use ndarray::{Array2, ArrayViewD, IxDyn, ShapeBuilder};

/// An array as it stands in the file, in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct NpyArray {
    /// Its extents, at least one.
    pub shape: Vec<usize>,
    /// Its elements, the last extent contiguous.
    pub elements: Elements,
}

/// An array's elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Bytes, such as pixels.
    U8(Vec<u8>),
    /// Whole numbers of any other width, and booleans as 0 and 1.
    Whole(Vec<i64>),
    /// f32, or f64 rounded to f32.
    Float(Vec<f32>),
    /// Text of a fixed width (`<U`), as NumPy keeps lists of words.
    Text(Vec<String>),
}

impl Elements {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(x) => x.len(),
            Self::Whole(x) => x.len(),
            Self::Float(x) => x.len(),
            Self::Text(x) => x.len(),
        }
    }

    /// Those of an array of this shape whose first extent is contiguous, as `fortran_order` says, with the last one
    /// contiguous.
    fn in_c_order(self, shape: &[usize]) -> Option<Self> {
        fn turned<T: Clone>(values: &[T], shape: &[usize]) -> Option<Vec<T>> {
            ArrayViewD::from_shape(IxDyn(shape).f(), values).ok().map(|view| view.iter().cloned().collect())
        }
        Some(match self {
            Self::U8(x) => Self::U8(turned(&x, shape)?),
            Self::Whole(x) => Self::Whole(turned(&x, shape)?),
            Self::Float(x) => Self::Float(turned(&x, shape)?),
            Self::Text(x) => Self::Text(turned(&x, shape)?),
        })
    }

    /// True without a single one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Clone, Copy)]
enum Kind {
    U8,
    /// Bytes of a number, and whether it has a sign.
    Whole(usize, bool),
    F32,
    F64,
    /// Characters of a text.
    Text(usize),
}

impl Kind {
    fn parse(descr: &str) -> Result<Self, NpyError> {
        let unknown = || NpyError::ElementType(descr.into());
        Ok(match descr {
            "|u1" => Self::U8,
            "|i1" => Self::Whole(1, true),
            "|b1" => Self::Whole(1, false),
            "<i2" => Self::Whole(2, true),
            "<i4" => Self::Whole(4, true),
            "<i8" => Self::Whole(8, true),
            "<u2" => Self::Whole(2, false),
            "<u4" => Self::Whole(4, false),
            "<u8" => Self::Whole(8, false),
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            _ => {
                let letters = descr.strip_prefix("<U").and_then(|letters| letters.parse::<u32>().ok());
                Self::Text(letters.filter(|n| *n > 0 && *n < 1 << 20).ok_or_else(unknown)? as usize)
            }
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::Whole(bytes, _) => bytes,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Text(letters) => 4 * letters,
        }
    }

    /// Data whose length is a multiple of [`Kind::bytes`].
    fn read(self, data: &[u8]) -> Result<Elements, NpyError> {
        Ok(match self {
            Self::U8 => Elements::U8(data.to_vec()),
            Self::F32 => Elements::Float(data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
            Self::F64 => {
                Elements::Float(data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect())
            }
            Self::Whole(bytes, signed) => {
                let number =
                    |(at, bytes): (usize, &[u8])| whole(bytes, signed).map_err(|value| NpyError::TooWide { at, value });
                Elements::Whole(data.chunks_exact(bytes).enumerate().map(number).collect::<Result<_, _>>()?)
            }
            Self::Text(_) => {
                let words = data.chunks_exact(self.bytes()).enumerate();
                let word = |(at, bytes)| text(bytes).map_err(|value| NpyError::NotText { at, value });
                Elements::Text(words.map(word).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// A little-endian number of 1 to 8 bytes; the value itself where it is beyond i64.
fn whole(bytes: &[u8], signed: bool) -> Result<i64, u64> {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(wide);
    let unused = 64 - 8 * bytes.len() as u32;
    if signed { Ok((value << unused) as i64 >> unused) } else { i64::try_from(value).map_err(|_| value) }
}

/// UTF-32, padded with zeros; the code that is no character, if there is one.
fn text(bytes: &[u8]) -> Result<String, u32> {
    let codes = bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let letters = codes.map(|code| char::from_u32(code).ok_or(code)).collect::<Result<String, u32>>()?;
    Ok(letters.trim_end_matches('\0').to_owned())
}

/// Parses an NPY file of any shape that is not empty. Never panics, and allocates no more than a few times the data
/// that is there.
///
/// # Errors
/// The first thing that is wrong, as [`NpyError`].
pub fn parse_array(bytes: &[u8]) -> Result<NpyArray, NpyError> {
    let (text, data) = split(bytes)?;
    let header = Header::parse(text)?;
    let kind = Kind::parse(&header.descr)?;
    if header.shape.is_empty() {
        return Err(NpyError::Rank(header.shape));
    }
    if header.shape.contains(&0) {
        return Err(NpyError::Empty(header.shape));
    }
    let wanted = header.shape.iter().try_fold(kind.bytes(), |product, &dim| product.checked_mul(dim));
    match wanted.filter(|wanted| isize::try_from(*wanted).is_ok()) {
        Some(wanted) => check_length(wanted, data.len())?,
        None => return Err(NpyError::TooLarge(header.shape)),
    }
    let elements = kind.read(data)?;
    // A vector has the same bytes in both orders.
    let elements = if header.fortran_order && header.shape.len() > 1 {
        elements.in_c_order(&header.shape).ok_or(NpyError::TooLarge(header.shape.clone()))?
    } else {
        elements
    };
    Ok(NpyArray { elements, shape: header.shape })
}

impl NpyArray {
    /// The array as feature rows: (N, I), the first extent counting samples and the others flattened.
    ///
    /// # Errors
    /// [`NpyError::Rank`] for a single row, [`NpyError::ElementType`] for text, [`NpyError::NotFinite`].
    pub fn into_features(self) -> Result<Features, NpyError> {
        let Self { shape, elements } = self;
        let dim = match &shape[..] {
            [samples, inner @ ..] if !inner.is_empty() => (*samples, inner.iter().product()),
            _ => return Err(NpyError::Rank(shape)),
        };
        let values = match elements {
            Elements::U8(x) => {
                return Array2::from_shape_vec(dim, x).map(Features::U8).map_err(|_| NpyError::TooLarge(shape));
            }
            Elements::Float(x) => x,
            Elements::Whole(x) => x.iter().map(|value| *value as f32).collect(),
            Elements::Text(_) => return Err(NpyError::ElementType("text".into())),
        };
        let x = Array2::from_shape_vec(dim, values).map_err(|_| NpyError::TooLarge(shape))?;
        match first_non_finite(x.view()) {
            Some((row, column, value)) => Err(NpyError::NotFinite { row, column, value }),
            None => Ok(Features::F32(x)),
        }
    }
}
