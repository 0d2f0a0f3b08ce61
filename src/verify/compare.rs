//! The one comparator: what a GPU answered against values with bounds.

use crate::scalar::Bounded;

/// How a device's numbers compare with the oracle's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Numbers compared; where the lengths differ, the greater of the two.
    pub compared: usize,
    /// Numbers that are out of bounds, not finite, or without a counterpart.
    pub misses: usize,
    /// The first of them.
    pub first_miss: Option<usize>,
    /// The largest error, as a fraction of its bound: at most 1 without a miss, infinite where there is no bound.
    pub worst: f64,
    /// Where that error is.
    pub worst_at: usize,
}

impl Comparison {
    /// True without a miss.
    pub fn passed(&self) -> bool {
        self.misses == 0
    }

    fn note(&mut self, at: usize, fraction: f64, missed: bool) {
        self.compared += 1;
        if missed {
            self.misses += 1;
            self.first_miss.get_or_insert(at);
        }
        // A fraction that is not a number compares as larger than every other.
        if fraction.is_nan() || fraction > self.worst {
            (self.worst, self.worst_at) = (if fraction.is_nan() { f64::INFINITY } else { fraction }, at);
        }
    }
}

/// Compares `actual` with `expected`, element by element. A NaN fails, for `!(NaN <= bound)`; so do infinities, numbers
/// without a counterpart, and numbers whose bound is not finite, since that would let everything pass.
pub fn compare(actual: &[f32], expected: &[Bounded]) -> Comparison {
    let mut result = Comparison { compared: 0, misses: 0, first_miss: None, worst: 0.0, worst_at: 0 };
    for (at, (number, Bounded { value, bound })) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(*number) - value).abs();
        let inside = error <= *bound && bound.is_finite() && number.is_finite();
        let fraction = if error == 0.0 && *bound == 0.0 { 0.0 } else { error / bound };
        result.note(at, fraction, !inside);
    }
    for at in actual.len().min(expected.len())..actual.len().max(expected.len()) {
        result.note(at, f64::INFINITY, true);
    }
    result
}

/// Compares whole numbers, which must be the same.
pub fn compare_words(actual: &[u32], expected: &[u32]) -> Comparison {
    let mut result = Comparison { compared: 0, misses: 0, first_miss: None, worst: 0.0, worst_at: 0 };
    for at in 0..actual.len().max(expected.len()) {
        let is_same = matches!((actual.get(at), expected.get(at)), (Some(own), Some(other)) if own == other);
        result.note(at, if is_same { 0.0 } else { f64::INFINITY }, !is_same);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Compute;
    use crate::random::{Purpose, Stream};
    use crate::scalar::Scalar;
    use ndarray::{Array2, ArrayView2, Axis};

    /// `values`, each with the same bound.
    fn bounded(values: &[f32], bound: f64) -> Vec<Bounded> {
        values.iter().map(|value| Bounded { value: f64::from(*value), bound }).collect()
    }

    fn matrix(rows: usize, columns: usize, index: u32) -> Array2<f32> {
        let mut stream = Stream::new(11, Purpose::Inputs, index);
        Array2::from_shape_simple_fn((rows, columns), || stream.symmetric(1.0) + 0.125)
    }

    /// The product with its derived bounds.
    fn oracle(a: ArrayView2<f32>, b: ArrayView2<f32>) -> Vec<Bounded> {
        let (a, b) = (a.mapv(Bounded::real), b.mapv(Bounded::real));
        let mut c = Array2::from_elem((a.len_of(Axis(0)), b.len_of(Axis(1))), Bounded::zero());
        Bounded::matmul(a.view(), b.view(), c.view_mut());
        c.into_raw_vec_and_offset().0
    }

    fn standard(matrix: &Array2<f32>) -> Vec<f32> {
        matrix.iter().copied().collect()
    }

    #[test]
    fn equal_and_just_within_pass() {
        let exact = compare(&[1.0, -2.0, 0.0], &bounded(&[1.0, -2.0, 0.0], 0.0));
        assert!(exact.passed() && exact.worst == 0.0 && exact.compared == 3, "{exact:?}");
        let within = compare(&[1.0, 2.25], &bounded(&[1.0, 2.0], 0.25));
        assert!(within.passed() && within.worst == 1.0 && within.worst_at == 1, "{within:?}");
    }

    #[test]
    fn just_beyond_the_bound_fails() {
        let beyond = compare(&[1.0, 2.25], &bounded(&[1.0, 2.0], 0.249_999));
        assert!(!beyond.passed() && beyond.worst > 1.0 && beyond.first_miss == Some(1), "{beyond:?}");
    }

    #[test]
    fn a_nan_fails_and_is_the_worst() {
        let result = compare(&[1.0, f32::NAN, 5.0], &bounded(&[1.0, 2.0, 3.0], 0.5));
        assert_eq!((result.misses, result.first_miss, result.worst_at), (2, Some(1), 1));
        assert!(result.worst.is_infinite());
        assert!(!compare(&[f32::NAN], &[Bounded { value: f64::NAN, bound: f64::NAN }]).passed());
        assert!(!compare(&[1.0], &[Bounded { value: f64::NAN, bound: 1.0 }]).passed());
    }

    #[test]
    fn an_infinity_fails_even_where_one_is_expected() {
        assert!(!compare(&[f32::INFINITY], &bounded(&[1.0], 1.0)).passed());
        assert!(!compare(&[f32::INFINITY], &bounded(&[f32::INFINITY], f64::INFINITY)).passed());
    }

    #[test]
    fn a_bound_that_is_not_finite_proves_nothing() {
        assert!(!compare(&[1.0], &bounded(&[1.0], f64::INFINITY)).passed());
        assert!(!compare(&[1.0], &bounded(&[1.0], f64::NAN)).passed());
    }

    #[test]
    fn one_wrong_element_fails() {
        let (a, b) = (matrix(7, 9, 0), matrix(9, 5, 1));
        let mut product = standard(&a.dot(&b));
        assert!(compare(&product, &oracle(a.view(), b.view())).passed());
        product[17] += 1e-4;
        let result = compare(&product, &oracle(a.view(), b.view()));
        assert_eq!((result.misses, result.first_miss, result.worst_at), (1, Some(17), 17));
    }

    #[test]
    fn swapped_and_transposed_operands_fail() {
        let (a, b) = (matrix(6, 6, 0), matrix(6, 6, 1));
        let wanted = oracle(a.view(), b.view());
        for wrong in [b.dot(&a), a.t().dot(&b), a.dot(&b.t()), b.t().dot(&a.t())] {
            let result = compare(&standard(&wrong), &wanted);
            // The transposed product has its diagonal in common with the product.
            assert!(result.misses >= 30, "{result:?}");
        }
    }

    #[test]
    fn a_short_or_long_buffer_fails() {
        let short = compare(&[1.0, 2.0], &bounded(&[1.0, 2.0, 3.0], 9.0));
        assert_eq!((short.compared, short.misses, short.first_miss), (3, 1, Some(2)));
        assert!(!compare(&[1.0, 2.0], &bounded(&[1.0], 9.0)).passed());
        assert!(!compare(&[], &bounded(&[1.0], 9.0)).passed());
    }

    #[test]
    fn words_must_be_the_same() {
        assert!(compare_words(&[u32::MAX, 0], &[u32::MAX, 0]).passed());
        // As f32 they would be equal.
        let result = compare_words(&[1, u32::MAX - 1], &[1, u32::MAX]);
        assert_eq!((result.compared, result.misses, result.first_miss), (2, 1, Some(1)));
        assert!(!compare_words(&[1], &[1, 2]).passed() && !compare_words(&[1, 2], &[1]).passed());
    }

    #[test]
    fn a_zero_bound_wants_the_same_number() {
        assert!(!compare(&[1.0 + f32::EPSILON], &bounded(&[1.0], 0.0)).passed());
    }
}
