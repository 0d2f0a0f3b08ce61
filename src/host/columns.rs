//! Columns of a batch that are zero in every row: the borders of images, and most of one-hot columns. Products leave them
//! out, which changes no bit of what is finite but the sign of a zero, since x + 0 w is x; what a column's weights have as
//! gradient is then zero.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};

use crate::scalar::Scalar;

/// Zero columns between two others that are kept with them: so few are not worth a run of their own.
const GAP: usize = 3;
/// Columns of a vector.
const LANES: usize = 16;
/// Columns of a word.
const BITS: usize = u64::BITS as usize;
/// What leaving columns out costs, in multiply-adds of a product for each number that is moved.
const COST: u64 = 6;

/// Which columns of a batch are kept: those with any number but zero, and a few between them.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// How many there are in all.
    of: usize,
    /// Those that are kept, in ascending order; at least one.
    runs: Vec<Run>,
    /// A bit for each column, and one word more, which is zero.
    bits: Vec<u64>,
}

/// Neighbouring columns that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    /// The first of them.
    column: usize,
    /// Its place among all that are kept.
    place: usize,
    len: usize,
}

impl Columns {
    /// Finds them by a mark for each column that is not zero everywhere.
    pub(crate) fn find(&mut self, seen: &[u8]) {
        self.of = seen.len();
        self.bits.clear();
        self.bits.extend(
            seen.chunks(BITS)
                .map(|marks| marks.iter().enumerate().fold(0, |word, (n, mark)| word | u64::from(*mark > 0) << n)),
        );
        self.bits.push(0);
        self.runs.clear();
        let mut next = 0;
        while let Some(column) = self.first_of(true, next) {
            let end = self.first_of(false, column).unwrap_or(self.of);
            match self.runs.last_mut() {
                Some(run) if column <= run.column + run.len + GAP => {
                    (run.column + run.len..column).for_each(|column| self.bits[column / BITS] |= 1 << (column % BITS));
                    run.len = end - run.column;
                }
                last => {
                    let place = last.map_or(0, |run| run.place + run.len);
                    self.runs.push(Run { column, place, len: end - column });
                }
            }
            next = end;
        }
        if self.runs.is_empty() {
            self.runs.push(Run { column: 0, place: 0, len: 1 });
            self.bits[0] = 1;
        }
    }

    /// The first column from `start` on whose bit is `set`.
    fn first_of(&self, set: bool, start: usize) -> Option<usize> {
        let word = |n: usize| if set { self.bits[n] } else { !self.bits[n] };
        let (mut n, mut rest) = (start / BITS, u64::MAX << (start % BITS));
        while n * BITS < self.of {
            rest &= word(n);
            if rest != 0 {
                return Some(n * BITS + rest.trailing_zeros() as usize).filter(|column| *column < self.of);
            }
            (n, rest) = (n + 1, u64::MAX);
        }
        None
    }

    /// How many are kept.
    pub(crate) fn count(&self) -> usize {
        self.runs.last().map_or(0, |run| run.place + run.len)
    }

    /// How many they are with zeros behind up to a whole vector.
    pub(crate) fn padded(&self) -> usize {
        self.count().next_multiple_of(LANES)
    }

    /// Whether leaving the others out of the products of (rows, I) with (O, I) saves more than it costs.
    pub(crate) fn worthwhile(&self, rows: usize, outputs: usize) -> bool {
        let [rows, outputs, of, kept] = [rows, outputs, self.of, self.padded()].map(|extent| extent as u64);
        let cost = COST.saturating_mul((rows + outputs).saturating_mul(of));
        of.saturating_sub(kept).saturating_mul(rows).saturating_mul(outputs) > cost
    }

    /// The places of those among `columns` that are kept.
    pub(crate) fn places(&self, columns: Range<usize>) -> Range<usize> {
        let place = |column: usize| {
            let after = self.runs.partition_point(|run| run.column < column);
            self.runs[..after].last().map_or(0, |run| run.place + run.len.min(column - run.column))
        };
        place(columns.start)..place(columns.end)
    }

    /// The columns that belong to the kept ones at `places`: with those left out before the first one after another's, and
    /// at the end behind the last.
    pub(crate) fn columns(&self, places: Range<usize>) -> Range<usize> {
        let bound = |place: usize| match place {
            0 => 0,
            place if place >= self.count() => self.of,
            place => {
                let run = self.runs[..self.runs.partition_point(|run| run.place <= place)].last();
                run.map_or(0, |run| run.column + place - run.place)
            }
        };
        bound(places.start)..bound(places.end)
    }

    /// Parts of `columns` that are kept: first column, place of it, and how many.
    pub(crate) fn runs(&self, columns: Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let first = self.runs.partition_point(|run| run.column + run.len <= columns.start);
        self.runs[first..].iter().take_while(move |run| run.column < columns.end).map(move |run| {
            let start = run.column.max(columns.start);
            (start, run.place + start - run.column, (run.column + run.len).min(columns.end) - start)
        })
    }

    /// The numbers of a row that are kept, with zeros behind up to a whole vector: those of `kept`.
    pub(crate) fn squeeze<'a, T: Copy>(&self, row: &[T], zero: T, kept: &'a mut [T]) -> &'a [T] {
        for run in &self.runs {
            kept[run.place..][..run.len].copy_from_slice(&row[run.column..][..run.len]);
        }
        let kept = &mut kept[..self.padded()];
        kept[self.count()..].fill(zero);
        kept
    }

    /// The opposite: a row of columns `start..`, zero where none is kept, of the numbers that are, which `kept` begins with.
    pub(crate) fn spread<T: Scalar>(&self, kept: &mut [T], start: usize, row: &mut [T]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("popcnt")
            && let (Some(kept), Some(row)) = (T::as_f32(kept), T::as_f32(row))
        {
            // SAFETY: the processor has AVX-512.
            return unsafe { avx512::spread(&self.bits, kept, start, row) };
        }
        row.fill(T::zero());
        let mut rest = &*kept;
        for (column, _, len) in self.runs(start..start + row.len()) {
            let (own, others) = rest.split_at(len);
            row[column - start..][..len].copy_from_slice(own);
            rest = others;
        }
    }

    /// Those rows of a matrix whose numbers are kept.
    pub(crate) fn pick<T: Copy>(&self, matrix: ArrayView2<T>) -> Array2<T> {
        let kept: Vec<usize> = self.runs.iter().flat_map(|run| run.column..run.column + run.len).collect();
        matrix.select(Axis(0), &kept)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_expand_ps, _mm512_maskz_loadu_ps, _mm512_storeu_ps,
    };

    use super::{BITS, LANES};

    /// The mask of the first `count` lanes, up to 16.
    #[inline(always)]
    fn first(count: usize) -> u16 {
        ((1_u32 << count) - 1) as u16
    }

    #[target_feature(enable = "avx512f,popcnt")]
    pub fn spread(bits: &[u64], kept: &[f32], start: usize, row: &mut [f32]) {
        let (mut place, mut at) = (0, start);
        for to in row.chunks_mut(LANES) {
            let two = u128::from(bits[at / BITS]) | u128::from(bits[at / BITS + 1]) << BITS;
            let mask = (two >> (at % BITS)) as u16 & first(to.len());
            let from = &kept[place..];
            // SAFETY: each mask has no more than its slice's numbers.
            unsafe {
                let numbers = match from.len() {
                    LANES.. => _mm512_loadu_ps(from.as_ptr()),
                    few => _mm512_maskz_loadu_ps(first(few), from.as_ptr()),
                };
                let numbers = _mm512_maskz_expand_ps(mask, numbers);
                match to.len() {
                    LANES => _mm512_storeu_ps(to.as_mut_ptr(), numbers),
                    few => _mm512_mask_storeu_ps(to.as_mut_ptr(), first(few), numbers),
                }
            }
            (place, at) = (place + mask.count_ones() as usize, at + LANES);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayViewMut2;

    use super::*;
    use crate::host::matmul::matmul_f32;
    use crate::random::{Purpose, Stream};

    /// Columns found in marks of so many, about one of `one_in` of which is set.
    fn drawn(of: usize, one_in: u32, seed: u64) -> (Vec<u8>, Columns) {
        let mut stream = Stream::new(seed, Purpose::Inputs, 0);
        let seen: Vec<u8> = (0..of).map(|_| u8::from(stream.word().is_multiple_of(one_in))).collect();
        let mut columns = Columns::default();
        columns.find(&seen);
        (seen, columns)
    }

    fn every_kind() -> impl Iterator<Item = (Vec<u8>, Columns)> {
        let sizes = [1, 15, 16, 17, 63, 64, 65, 128, 200, 784, 1000];
        sizes.into_iter().flat_map(|of| [1, 2, 7, 40, u32::MAX].map(|one_in| drawn(of, one_in, of as u64)))
    }

    fn kept(columns: &Columns) -> Vec<usize> {
        columns.runs(0..columns.of).flat_map(|(column, _, len)| column..column + len).collect()
    }

    #[test]
    fn marked_columns_are_kept_and_others_only_between_near_ones() {
        for (seen, columns) in every_kind() {
            let kept = kept(&columns);
            assert_eq!(kept.len(), columns.count());
            let marked = |column: usize| seen.get(column).is_some_and(|seen| *seen > 0);
            for column in 0..seen.len() {
                let between = (1..=GAP).any(|before| column >= before && marked(column - before))
                    && (1..=GAP).any(|behind| marked(column + behind));
                let has = kept.contains(&column);
                assert!(has || !marked(column), "{column}");
                assert!(!has || marked(column) || between || kept == [0], "{column}");
            }
        }
    }

    #[test]
    fn places_and_columns_belong_together() {
        for (_, columns) in every_kind() {
            let kept = kept(&columns);
            for (place, column) in kept.iter().enumerate() {
                assert_eq!(columns.places(0..*column), 0..place);
                assert_eq!(columns.places(*column..column + 1), place..place + 1);
                let start = if place == 0 { 0 } else { *column };
                assert_eq!(columns.columns(place..columns.padded()), start..columns.of);
                for (first, at, len) in columns.runs(*column..columns.of) {
                    assert_eq!(kept[at..at + len], (first..first + len).collect::<Vec<_>>());
                }
            }
        }
    }

    /// As f32, by the processor's instructions for it if it has any, as f64, and as bytes.
    #[test]
    fn what_is_squeezed_comes_back_where_it_was() {
        for (seen, columns) in every_kind() {
            let (of, width) = (seen.len(), columns.padded());
            let all = kept(&columns);
            let row: Vec<u8> = (0..of).map(|n| if all.contains(&n) { 1 + n as u8 % 250 } else { 0 }).collect();
            let mut bytes = vec![9; width];
            columns.squeeze(&row, 0, &mut bytes);
            let (mut single, mut double) = (vec![9.0; width], vec![9.0; width]);
            columns.squeeze(&row.iter().map(|x| f32::from(*x)).collect::<Vec<_>>(), 0.0, &mut single);
            columns.squeeze(&row.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), 0.0, &mut double);
            assert!(
                bytes.iter().zip(&single).zip(&double).all(|((b, s), d)| f64::from(*b) == *d && f64::from(*s) == *d)
            );
            assert!(bytes[columns.count()..].iter().all(|padding| *padding == 0));
            // All of it, and parts that start at any place.
            for first in [0, columns.count() / 3, columns.count() - 1] {
                for end in [(first + 5).min(width), width] {
                    let part = columns.columns(first..end);
                    let (mut single_row, mut double_row) = (vec![7.0; part.len()], vec![7.0; part.len()]);
                    columns.spread(&mut single[first..end], part.start, &mut single_row);
                    columns.spread(&mut double[first..end], part.start, &mut double_row);
                    for (n, column) in part.enumerate() {
                        assert_eq!([f64::from(single_row[n]), double_row[n]], [f64::from(row[column]); 2], "{column}");
                    }
                }
            }
        }
    }

    /// In both layouts of the result, and at depths of more than one pass.
    #[test]
    fn products_without_zero_columns_have_the_same_bits() {
        let mut stream = Stream::new(5, Purpose::Inputs, 0);
        for (rows, outputs, of, one_in) in
            [(7, 20, 100, 3), (64, 128, 784, 9), (33, 70, 2000, 30), (5, 3, 900, u32::MAX)]
        {
            let (_, columns) = drawn(of, one_in, 3);
            let all = kept(&columns);
            let mut squeezed = Array2::from_shape_simple_fn((rows, all.len()), || stream.symmetric(1.0));
            if one_in == u32::MAX {
                squeezed.fill(0.0);
            }
            let mut whole = Array2::zeros((rows, of));
            all.iter()
                .enumerate()
                .for_each(|(place, column)| whole.column_mut(*column).assign(&squeezed.column(place)));
            let weight = Array2::from_shape_simple_fn((outputs, of), || stream.symmetric(1.0));
            let transposed = weight.t().as_standard_layout().into_owned();
            let product = |a: ArrayView2<f32>, weight: ArrayView2<f32>, columns, by_columns: bool| {
                let mut numbers = vec![f32::NAN; rows * outputs];
                let shape = if by_columns { (outputs, rows) } else { (rows, outputs) };
                let c = ArrayViewMut2::from_shape(shape, &mut numbers).unwrap();
                let c = if by_columns { c.reversed_axes() } else { c };
                matmul_f32(a, (weight, columns), c, &mut |_, _| {});
                numbers.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
            };
            for by_columns in [false, true] {
                let wanted = product(whole.view(), weight.t(), None, by_columns);
                // As layers have their weights, and the other way round.
                for weight in [weight.t(), transposed.view()] {
                    let had = product(squeezed.view(), weight, Some(&columns), by_columns);
                    assert_eq!(had, wanted, "{rows} {outputs} {of}");
                }
            }
        }
    }
}
