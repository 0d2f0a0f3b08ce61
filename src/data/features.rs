//! What a model reads.

use ndarray::{Array2, ArrayView2, Axis, Slice};

/// What a model reads: one row a sample, in C order.
///
/// Images stay bytes, in memory and on the device; they are normalized where they are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// (N, I) pixels, 0 to 255.
    U8(Array2<u8>),
    /// (N, I) finite numbers, in whatever unit the user has.
    F32(Array2<f32>),
}

impl Features {
    /// N, the number of rows.
    pub fn len(&self) -> usize {
        self.dim().0
    }

    /// True without a single row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// I, the number of inputs in a row.
    pub fn inputs(&self) -> usize {
        self.dim().1
    }

    /// Bytes in one row: I for [`Features::U8`], 4 I for [`Features::F32`].
    pub fn row_bytes(&self) -> usize {
        self.inputs() * self.element_bytes()
    }

    /// Bytes in one element: 1 or 4.
    pub fn element_bytes(&self) -> usize {
        match self {
            Self::U8(_) => size_of::<u8>(),
            Self::F32(_) => size_of::<f32>(),
        }
    }

    /// (N, I).
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Self::U8(x) => x.dim(),
            Self::F32(x) => x.dim(),
        }
    }

    pub(super) fn first(&self, n: usize) -> Self {
        match self {
            Self::U8(x) => Self::U8(first_rows(x, n)),
            Self::F32(x) => Self::F32(first_rows(x, n)),
        }
    }
}

impl From<ArrayView2<'_, u8>> for Features {
    fn from(rows: ArrayView2<'_, u8>) -> Self {
        Self::U8(rows.as_standard_layout().into_owned())
    }
}

impl From<ArrayView2<'_, f32>> for Features {
    fn from(rows: ArrayView2<'_, f32>) -> Self {
        Self::F32(rows.as_standard_layout().into_owned())
    }
}

impl From<Array2<u8>> for Features {
    fn from(rows: Array2<u8>) -> Self {
        Self::U8(in_c_order(rows))
    }
}

impl From<Array2<f32>> for Features {
    fn from(rows: Array2<f32>) -> Self {
        Self::F32(in_c_order(rows))
    }
}

/// The same rows; copied only where they do not lie one after the other.
fn in_c_order<T: Clone>(rows: Array2<T>) -> Array2<T> {
    if rows.is_standard_layout() { rows } else { rows.as_standard_layout().into_owned() }
}

/// A copy in C order, whatever the strides of `x`: uploads read rows one after another.
pub(super) fn c_order<T: Clone>(x: ArrayView2<T>) -> Array2<T> {
    x.as_standard_layout().into_owned()
}

/// The caller has checked that `x` has `n` rows.
pub(super) fn first_rows<T: Clone>(x: &Array2<T>, n: usize) -> Array2<T> {
    c_order(x.slice_axis(Axis(0), Slice::from(..n)))
}
