//! The orthogonal initialization.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis, s};

/// Vectors that are made orthogonal to all before them by one matrix product.
const PANEL: usize = 48;

/// The orthonormal factor of a matrix of shape (O, I): of its rows if O <= I, else of its columns. It is the Q of the QR
/// decomposition whose R has a positive diagonal, which is unique (as in PyTorch's `torch.nn.init.orthogonal_`; Mezzadri,
/// "How to generate random matrices from the classical compact groups", Notices of the AMS 54, 2007).
///
/// Gram and Schmidt's method in f64, panel by panel: what it loses to rounding grows with the matrix's condition, which for
/// a normal matrix is of the order of its size, so that far more is left than f32 has.
pub(super) fn orthogonal(drawn: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    let matrix: Array2<f64> = Array2::from_shape_fn((outputs, inputs), |(o, i)| f64::from(drawn[o * inputs + i]));
    let rows = outputs <= inputs;
    let mut vectors = if rows { matrix } else { matrix.reversed_axes().as_standard_layout().into_owned() };
    let count = vectors.nrows();
    for first in (0..count).step_by(PANEL) {
        let panel = first..(first + PANEL).min(count);
        let (done, mut rest) = vectors.view_mut().split_at(Axis(0), first);
        let mut own = rest.slice_mut(s![..panel.len(), ..]);
        let mut parts = Array2::zeros((panel.len(), first));
        general_mat_mul(1.0, &own, &done.t(), 0.0, &mut parts);
        general_mat_mul(-1.0, &parts, &done, 1.0, &mut own);
        for n in 0..panel.len() {
            let (before, mut from) = own.view_mut().split_at(Axis(0), n);
            normalize(before.view(), from.row_mut(0), first + n);
        }
    }
    let orthonormal = if rows { vectors.view() } else { vectors.t() };
    orthonormal.iter().map(|x| *x as f32).collect()
}

/// Takes the parts along the vectors before it out of the `n`-th vector, and makes it one long.
fn normalize(before: ArrayView2<f64>, mut vector: ArrayViewMut1<f64>, n: usize) {
    for other in before.rows() {
        let part = other.dot(&vector);
        vector.scaled_add(-part, &other);
    }
    let length = vector.dot(&vector).sqrt();
    if length > 0.0 {
        vector /= length;
    } else {
        // Nothing was drawn, which a matrix of one number may come to.
        vector[n] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    fn drawn(outputs: usize, inputs: usize) -> Vec<f32> {
        let mut stream = Stream::new(11, Purpose::Weights, 0);
        (0..outputs * inputs).map(|_| stream.normal()).collect()
    }

    /// Rows or columns are orthonormal, and what they were drawn from is made of those up to each, along it: Q of QR.
    #[test]
    fn vectors_are_orthonormal_and_those_of_the_decomposition() {
        for (outputs, inputs) in [(1, 1), (1, 7), (7, 1), (5, 5), (3, 8), (8, 3), (50, 120), (120, 50), (97, 97)] {
            let numbers = drawn(outputs, inputs);
            let as_matrix = |x: &[f32]| Array2::from_shape_fn((outputs, inputs), |(o, i)| f64::from(x[o * inputs + i]));
            let (q, a) = (as_matrix(&orthogonal(&numbers, outputs, inputs)), as_matrix(&numbers));
            let (q, a) = if outputs <= inputs { (q, a) } else { (q.reversed_axes(), a.reversed_axes()) };
            let (products, parts) = (q.dot(&q.t()), a.dot(&q.t()));
            for (at, product) in products.indexed_iter() {
                let wanted = f64::from(u8::from(at.0 == at.1));
                assert!((product - wanted).abs() < 1e-6, "{outputs}x{inputs} {at:?}: {product}");
                let part = parts[at];
                assert!(if at.0 == at.1 { part > 0.0 } else { at.1 < at.0 || part.abs() < 1e-4 }, "{at:?}: {part}");
            }
        }
    }

    #[test]
    fn nothing_drawn_still_gives_a_unit() {
        assert_eq!(orthogonal(&[0.0], 1, 1), [1.0]);
    }
}
