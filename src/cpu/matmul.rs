use gemm_common::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2};

/// `c = a b`, shapes (M, K), (K, N), (M, N), on the calling thread: tasks are cut above it.
///
/// Products with other shapes than these leave `c` as it is in release builds; the operations cut their slices to fit.
pub(crate) fn matmul_f32(a: ArrayView2<f32>, b: ArrayView2<f32>, mut c: ArrayViewMut2<f32>) {
    let ((m, k), n) = (a.dim(), b.ncols());
    debug_assert!(b.nrows() == k && c.dim() == (m, n), "{:?} {:?} {:?}", a.dim(), b.dim(), c.dim());
    if b.nrows() != k || c.dim() != (m, n) {
        return;
    }
    let ([a_row, a_column], [b_row, b_column]) = ([a.strides()[0], a.strides()[1]], [b.strides()[0], b.strides()[1]]);
    let [c_row, c_column] = [c.strides()[0], c.strides()[1]];
    // SAFETY: pointers and strides are those of views with the extents that were just compared, `c` is borrowed
    // mutably and so overlaps neither `a` nor `b`, and with `read_dst` false its old values are not read.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_column,
            c_row,
            false,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::random::{Purpose, Stream};

    /// Against ndarray in f64, with every operand as it is and transposed, at sizes around the kernels' tiles.
    #[test]
    fn products_agree_with_ndarray() {
        let mut stream = Stream::new(4, Purpose::Inputs, 0);
        for (m, k, n) in [(1, 1, 1), (1, 785, 10), (7, 13, 17), (33, 64, 15), (16, 1, 48), (65, 100, 129)] {
            let mut draw = |shape| Array2::from_shape_simple_fn(shape, || stream.symmetric(1.0));
            let (a, a_turned, b, b_turned) = (draw((m, k)), draw((k, m)), draw((k, n)), draw((n, k)));
            for (a, b) in [(a.view(), b.view()), (a_turned.t(), b.view()), (a.view(), b_turned.t())] {
                let mut c = Array2::from_elem((m, n), f32::NAN);
                matmul_f32(a, b, c.view_mut());
                let wanted = a.mapv(f64::from).dot(&b.mapv(f64::from));
                let sizes = a.mapv(|x| f64::from(x.abs())).dot(&b.mapv(|x| f64::from(x.abs())));
                for ((had, wanted), size) in c.iter().zip(&wanted).zip(&sizes) {
                    // The error of a sum in any order: K roundings of the terms' total size.
                    let bound = k as f64 * f64::from(f32::EPSILON) * size;
                    assert!((f64::from(*had) - wanted).abs() <= bound, "{m} {k} {n}: {had} {wanted}");
                }
            }
        }
    }
}
