//! Products with weights that nothing trains. They are stored in panels of a few outputs, as the innermost loop reads them,
//! and terms whose factor is zero are left out: a sample's blank pixels, and units that ReLU has silenced.

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, s};
use pulp::{Simd, WithSimd};

use super::matmul::pass_depth;
use super::simd::prefetch_at;

/// Rows that are multiplied together: what is zero in all of them is left out.
pub(crate) const GROUP: usize = 6;
/// Rows whose terms are listed at a time.
const ROWS: usize = 20 * GROUP;

/// Weights (I, O) in panels: (I, width) of consecutive outputs one after the other, the last perhaps narrower.
#[derive(Clone, Copy, Debug)]
pub struct Panels<'a, T> {
    pub values: &'a [T],
    pub inputs: usize,
    pub outputs: usize,
}

/// Outputs in a panel.
pub(crate) fn panel_width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            width::<S>()
        }
    }
    pulp::Arch::new().dispatch(Width)
}

/// Two vectors of the widest, and at least a cache line.
const fn width<S: Simd>() -> usize {
    if 2 * S::F32_LANES > 16 { 2 * S::F32_LANES } else { 16 }
}

/// Where panels of so many inputs and outputs have the weight (output, input).
pub(crate) fn panel_index([outputs, inputs]: [usize; 2], width: usize, [output, input]: [usize; 2]) -> usize {
    let first = output / width * width;
    first * inputs + input * width.min(outputs - first) + output - first
}

/// What takes part in the products of a group of rows in one pass.
#[derive(Debug, Default)]
struct Terms {
    /// Which inputs have a number that is not zero.
    places: Vec<u32>,
    /// (places, rows of the group)
    factors: Vec<f32>,
    /// Bits that any row's numbers have, (I of the pass).
    bits: Vec<u32>,
}

thread_local! {
    /// Of each group of [`ROWS`] rows. They grow to the largest that a thread has needed.
    static TERMS: RefCell<[Terms; ROWS / GROUP]> = RefCell::default();
}

/// `c = a b`, shapes (M, I), (I, O), of the outputs from `first` on, a multiple of the panels' width. Each number is the sum
/// that [`matmul_f32`](super::matmul::matmul_f32) gives, in the same order, but for the sign of a zero; b is finite.
pub(crate) fn panels_f32(a: ArrayView2<f32>, weights: Panels<f32>, first: usize, mut c: ArrayViewMut2<f32>) {
    let fits = a.ncols() == weights.inputs && a.nrows() == c.nrows() && first + c.ncols() <= weights.outputs;
    let shape = [weights.inputs, weights.outputs];
    assert!(fits, "a product of {:?} and {shape:?} from {first} is not {:?}", a.dim(), c.dim());
    let depth = pass_depth(weights.inputs);
    TERMS.with_borrow_mut(|terms| {
        for start in (0..a.nrows()).step_by(ROWS) {
            let rows = start..a.nrows().min(start + ROWS);
            let (a, mut c) = (a.slice(s![rows.clone(), ..]), c.slice_mut(s![rows, ..]));
            c.fill(0.0);
            for of in (0..weights.inputs).step_by(depth.max(1)) {
                let of = of..weights.inputs.min(of + depth);
                pulp::Arch::new().dispatch(Pass { a, of, terms: &mut *terms, weights, first, c: c.view_mut() });
            }
        }
    });
}

/// Adds one pass over the inputs to rows of the product.
struct Pass<'a> {
    a: ArrayView2<'a, f32>,
    of: Range<usize>,
    terms: &'a mut [Terms],
    weights: Panels<'a, f32>,
    first: usize,
    c: ArrayViewMut2<'a, f32>,
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (rows, width) = (self.a.nrows(), width::<S>());
        let groups = rows.div_ceil(GROUP);
        for (group, terms) in self.terms[..groups].iter_mut().enumerate() {
            let rows = group * GROUP..rows.min((group + 1) * GROUP);
            let (rows, first) = (self.a.slice(s![rows, self.of.clone()]), self.of.start);
            match rows.nrows() {
                1 => terms.list::<1>(rows, first),
                2 => terms.list::<2>(rows, first),
                3 => terms.list::<3>(rows, first),
                4 => terms.list::<4>(rows, first),
                5 => terms.list::<5>(rows, first),
                _ => terms.list::<GROUP>(rows, first),
            }
        }
        let mut column = 0;
        while column < self.c.ncols() {
            // A single row would leave the processor waiting for the sum before: it takes more panels at a time.
            let many = if rows == 1 && self.c.ncols() - column >= 4 * width { 4 } else { 1 };
            for group in 0..groups {
                let live = GROUP.min(rows - group * GROUP);
                self.columns(simd, (group, live), (column, many));
            }
            column += many * width;
        }
    }
}

impl Pass<'_> {
    /// Some panels from `column` of the product on, for one group of rows.
    #[inline(always)]
    fn columns<S: Simd>(&mut self, simd: S, (group, live): (usize, usize), (column, many): (usize, usize)) {
        let at = [group * GROUP, column];
        match (S::F32_LANES, many) {
            (8 | 16, 1) => self.rows::<S, 2>(simd, live, at),
            (8 | 16, _) => self.block::<S, 1, 4, 2>(simd, at),
            (4, 1) => self.rows::<S, 4>(simd, live, at),
            (4, _) => self.block::<S, 1, 4, 4>(simd, at),
            (_, 1) => self.rows::<S, 16>(simd, live, at),
            (_, _) => self.block::<S, 1, 4, 16>(simd, at),
        }
    }

    /// One panel of V vectors for a group of so many rows.
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(&mut self, simd: S, live: usize, at: [usize; 2]) {
        match live {
            1 => self.block::<S, 1, 1, V>(simd, at),
            2 => self.block::<S, 2, 1, V>(simd, at),
            3 => self.block::<S, 3, 1, V>(simd, at),
            4 => self.block::<S, 4, 1, V>(simd, at),
            5 => self.block::<S, 5, 1, V>(simd, at),
            _ => self.block::<S, GROUP, 1, V>(simd, at),
        }
    }

    /// R rows by P panels of V vectors, in registers: all loops over sums are of constant extents, which iterators hide.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn block<S: Simd, const R: usize, const P: usize, const V: usize>(&mut self, simd: S, [row, column]: [usize; 2]) {
        let (lanes, inputs) = (S::F32_LANES, self.weights.inputs);
        let weights = &self.weights.values[(self.first + column) * inputs..];
        let stride = (V * lanes).min(self.weights.outputs - self.first - column);
        let terms = &self.terms[row / GROUP];
        let mut sums = [[[simd.splat_f32s(0.0); V]; P]; R];
        let mut edge = [0.0; 64];
        for (place, factors) in terms.places.iter().zip(terms.factors.as_chunks::<R>().0) {
            for p in 0..P {
                let at = (*place as usize + p * inputs) * stride;
                let weights = match weights.get(at..at + V * lanes) {
                    Some(weights) => weights,
                    // Several panels are whole.
                    None if P > 1 => panic!("a panel ends at {}, not {at}", weights.len()),
                    None => {
                        // The end of the last panel, which is narrower.
                        edge[..weights.len() - at].copy_from_slice(&weights[at..]);
                        &edge[..V * lanes]
                    }
                };
                let (weights, _) = S::as_simd_f32s(weights);
                for r in 0..R {
                    let factor = simd.splat_f32s(factors[r]);
                    for v in 0..V {
                        sums[r][p][v] = simd.mul_add_f32s(factor, weights[v], sums[r][p][v]);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let mut c = self.c.row_mut(row + r);
            let c = &mut c.as_slice_mut().expect("rows of the product are contiguous")[column..];
            if c.len() >= P * V * lanes {
                let (c, _) = S::as_mut_simd_f32s(&mut c[..P * V * lanes]);
                for p in 0..P {
                    for v in 0..V {
                        c[p * V + v] = simd.add_f32s(c[p * V + v], sums[p][v]);
                    }
                }
            } else {
                // A copy, which alone has to be in memory.
                let sums = *sums;
                let sums = sums
                    .as_flattened()
                    .iter()
                    .flat_map(|vector| bytemuck::cast_slice::<_, f32>(std::slice::from_ref(vector)));
                c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum);
            }
        }
    }
}

impl Terms {
    /// Lists what is not zero in any of the rows (R, inputs of the pass), the first of which is input `first`.
    #[inline(always)]
    fn list<const R: usize>(&mut self, rows: ArrayView2<f32>, first: usize) {
        let depth = rows.ncols();
        let mut all = [&[][..]; R];
        for (all, row) in all.iter_mut().zip(rows.rows()) {
            *all = &row.to_slice().expect("rows are contiguous")[..depth];
        }
        self.bits.clear();
        self.bits.resize(depth, 0);
        for row in all {
            // The rows of the next group are on their way while this one is multiplied.
            prefetch_at(row.as_ptr().wrapping_add(R * depth), depth);
            self.bits.iter_mut().zip(row).for_each(|(bits, x)| *bits |= x.to_bits());
        }
        self.places.resize(depth, 0);
        let (mut count, places) = (0, &mut self.places[..]);
        for (place, bits) in (first as u32..).zip(&self.bits) {
            // Written over by the next where all are zero: a branch would be guessed wrong too often.
            places[count] = place;
            count += usize::from(*bits != 0);
        }
        self.places.truncate(count);
        self.factors.resize(count * R, 0.0);
        let (factors, _) = self.factors.as_chunks_mut::<R>();
        for (r, row) in all.into_iter().enumerate() {
            factors.iter_mut().zip(&self.places).for_each(|(to, place)| to[r] = row[*place as usize - first]);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::host::Compute;
    use crate::random::{Purpose, Stream};

    /// At widths around those of panels, depths of one pass and more, and all sizes of groups; a third of the factors is
    /// zero, and some in all rows.
    #[test]
    fn sums_are_those_of_the_matrix_product() {
        let mut stream = Stream::new(11, Purpose::Inputs, 0);
        let shapes = [(1, 1, 1), (1, 785, 10), (2, 801, 7), (3, 40, 17), (4, 512, 130), (5, 30, 64), (1, 1700, 150)];
        for (m, k, n) in shapes.into_iter().chain([(6, 20, 33), (61, 90, 48), (130, 40, 10), (2, 0, 3)]) {
            let mut draw = |shape| Array2::from_shape_simple_fn(shape, || stream.symmetric(1.0));
            let mut a: Array2<f32> = draw((m, k)).mapv(|x: f32| if x.abs() < 0.3 { 0.0 } else { x });
            a.columns_mut().into_iter().step_by(3).for_each(|mut column| column.fill(0.0));
            let b: Array2<f32> = draw((k, n));
            let width = panel_width();
            let mut values = vec![f32::NAN; k * n];
            b.indexed_iter().for_each(|((i, o), x)| values[panel_index([n, k], width, [o, i])] = *x);
            let weights = Panels { values: &values, inputs: k, outputs: n };
            let mut wanted = Array2::from_elem((m, n), f32::NAN);
            f32::matmul(a.view(), b.view(), wanted.view_mut());
            for first in (0..n).step_by(width) {
                let mut sums = Array2::from_elem((m, n - first), f32::NAN);
                panels_f32(a.view(), weights, first, sums.view_mut());
                assert_eq!(sums, wanted.slice(s![.., first..]), "{m} {k} {n} from {first}");
            }
        }
    }
}
