//! Matrix products of each number type.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, CowArray};

use super::columns::Columns;
use super::matmul::matmul_f32;
use super::panels::{Panels, panels_f32};
use crate::scalar::{Bounded, Scalar};

/// What is done to a block of a product, told the row and column of its first number.
pub type Finish<'a, T> = &'a mut dyn FnMut([usize; 2], ArrayViewMut2<T>);

/// A number type that operations run on: a [`Scalar`] with matrix products.
pub trait Compute: Scalar {
    /// Whether products leave out what is zero, and weights that nothing trains are stored in panels: not where they are
    /// the reference.
    const SQUEEZES: bool = false;

    /// `c = a b`, shapes (M, K), (K, N), (M, N).
    fn matmul(a: ArrayView2<Self>, b: ArrayView2<Self>, c: ArrayViewMut2<Self>) {
        Self::matmul_then(a, (b, None), c, &mut |_, _| {});
    }

    /// The same, where a may have only some columns, which `b`'s second part names of all K. Hands each block of the product,
    /// as soon as it is complete, to `finish` with the place of its first number. The blocks cover the product.
    fn matmul_then(
        a: ArrayView2<Self>,
        b: (ArrayView2<Self>, Option<&Columns>),
        c: ArrayViewMut2<Self>,
        finish: Finish<'_, Self>,
    );

    /// `c = a b` for weights b in panels, of the outputs from `first` on, a multiple of the panels' width.
    ///
    /// # Panics
    /// Where weights are not stored so.
    fn by_panels(a: ArrayView2<Self>, _: Panels<Self>, _: usize, _: ArrayViewMut2<Self>) {
        panic!("weights are not stored in panels, of which {:?} is to be multiplied", a.dim());
    }
}

impl Compute for f32 {
    const SQUEEZES: bool = true;

    fn matmul_then(
        a: ArrayView2<Self>,
        b: (ArrayView2<Self>, Option<&Columns>),
        c: ArrayViewMut2<Self>,
        finish: Finish<'_, Self>,
    ) {
        matmul_f32(a, b, c, finish);
    }

    fn by_panels(a: ArrayView2<Self>, weights: Panels<Self>, first: usize, c: ArrayViewMut2<Self>) {
        panels_f32(a, weights, first, c);
    }
}

impl Compute for f64 {
    fn matmul_then(
        a: ArrayView2<Self>,
        (b, columns): (ArrayView2<Self>, Option<&Columns>),
        mut c: ArrayViewMut2<Self>,
        finish: Finish<'_, Self>,
    ) {
        match columns {
            Some(columns) => general_mat_mul(1.0, &a, &columns.pick(b), 0.0, &mut c),
            None => general_mat_mul(1.0, &a, &b, 0.0, &mut c),
        }
        finish([0, 0], c);
    }
}

impl Compute for Bounded {
    fn matmul_then(
        a: ArrayView2<Self>,
        (b, columns): (ArrayView2<Self>, Option<&Columns>),
        mut c: ArrayViewMut2<Self>,
        finish: Finish<'_, Self>,
    ) {
        let b = columns.map_or_else(|| CowArray::from(b), |columns| CowArray::from(columns.pick(b)));
        for ((row, column), out) in c.indexed_iter_mut() {
            *out = Self::sum(a.row(row).iter().zip(b.column(column)).map(|(x, y)| *x * *y));
        }
        finish([0, 0], c);
    }
}
