//! Products of few rows, as in prediction: what they cost is to read the weights.

use std::cell::RefCell;

use ndarray::{ArrayView2, ArrayViewMut2};
use pulp::{Simd, WithSimd};

use super::matmul::pass_depth;

/// The most rows for which products are added up this way. Chosen by estimate: not measured yet.
pub(crate) const FEW_ROWS: usize = 4;
/// Vectors of a row of the product that are added up at a time, in registers.
const VECTORS: usize = 8;

thread_local! {
    /// A row's numbers but zeros, with their places.
    static TERMS: RefCell<Vec<(usize, f32)>> = const { RefCell::new(Vec::new()) };
}

/// `c = a b`, shapes (M, K), (K, N), (M, N), of few rows M, where rows of b and of c are contiguous. Each number is the sum
/// that [`matmul_f32`](super::matmul::matmul_f32) gives, in the same order, but terms whose factor in a is zero are left
/// out: neither the sample's blank pixels nor units that ReLU has silenced cost their weights' way from memory.
pub(crate) fn few_rows_f32(a: ArrayView2<f32>, b: ArrayView2<f32>, mut c: ArrayViewMut2<f32>) {
    let depth = pass_depth(a.ncols());
    TERMS.with_borrow_mut(|terms| {
        for (row, mut sums) in a.rows().into_iter().zip(c.rows_mut()) {
            terms.clear();
            terms.extend(row.iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(k, x)| (k, *x)));
            let sums = sums.as_slice_mut().expect("rows of the product are contiguous");
            sums.fill(0.0);
            let mut rest = &terms[..];
            for end in (depth..a.ncols() + depth).step_by(depth) {
                let (pass, later) = rest.split_at(rest.partition_point(|(k, _)| *k < end));
                pulp::Arch::new().dispatch(Pass { terms: pass, weights: b, sums });
                rest = later;
            }
        }
    });
}

/// Adds one pass over K to a row of the product.
struct Pass<'a> {
    terms: &'a [(usize, f32)],
    /// (K, N)
    weights: ArrayView2<'a, f32>,
    /// (N)
    sums: &'a mut [f32],
}

impl Pass<'_> {
    /// The weights of term `k` from column `at` on.
    #[inline(always)]
    fn weights(&self, k: usize, at: usize, len: usize) -> &[f32] {
        let row = self.weights.row(k);
        &row.to_slice().expect("rows of weights are contiguous")[at..at + len]
    }
}

impl Pass<'_> {
    /// Adds up N vectors of the row, from column `at` on.
    #[inline(always)]
    fn block<S: Simd, const N: usize>(&mut self, simd: S, at: usize) {
        let mut sums = [simd.splat_f32s(0.0); N];
        for (k, x) in self.terms {
            let x = simd.splat_f32s(*x);
            let (weights, _) = S::as_simd_f32s(self.weights(*k, at, N * S::F32_LANES));
            for n in 0..N {
                sums[n] = simd.mul_add_f32s(x, weights[n], sums[n]);
            }
        }
        let (own, _) = S::as_mut_simd_f32s(&mut self.sums[at..at + N * S::F32_LANES]);
        for n in 0..N {
            own[n] = simd.add_f32s(own[n], sums[n]);
        }
    }
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = S::F32_LANES;
        let mut at = 0;
        while self.sums.len() - at >= VECTORS * lanes {
            self.block::<S, VECTORS>(simd, at);
            at += VECTORS * lanes;
        }
        while self.sums.len() - at >= lanes {
            self.block::<S, 1>(simd, at);
            at += lanes;
        }
        for column in at..self.sums.len() {
            let sum = self.terms.iter().fold(0.0, |sum: f32, (k, x)| x.mul_add(self.weights(*k, column, 1)[0], sum));
            self.sums[column] += sum;
        }
    }
}
