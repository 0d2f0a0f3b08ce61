//! Values with a bound on what a device may answer.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Scalar, binary16, special};

/// An f64 value and a bound on the distance of any conforming f32 evaluation from it.
///
/// Rounding is that of the WGSL specification's accuracy table (section "Floating Point Accuracy"): additions and
/// products correctly rounded, division 2.5 ULP, exp 3 + 2|x| ULP, log 3 ULP or 2^-21 absolute, sqrt through
/// inverseSqrt 2 ULP. Results under the smallest normal number may be flushed to zero.
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    /// The value, in f64 from exact inputs.
    pub value: f64,
    /// How far an f32 device may be from it.
    pub bound: f64,
}

/// Unit roundoff of f32, 2^-24: half the distance from 1 to the next number. Correct rounding errs by at most this
/// share, but WGSL allows a device to round in either direction, so that one operation errs by a whole ULP, 2^-23.
const ULP: f64 = f32::EPSILON as f64;
const FLUSHED: f64 = f32::MIN_POSITIVE as f64;
const DIVISION_ULPS: f64 = 2.5;
const SQRT_ULPS: f64 = 5.0; // x * inverseSqrt(x): 2 ULP of the inverse, 2.5 of the division, rounding
const LOG_ULPS: f64 = 3.0;
const LOG_ABSOLUTE: f64 = 1.0 / (1 << 21) as f64; // for arguments in [0.5, 2]

impl Bounded {
    /// A value whose operands' errors carry `carried` over, itself rounded `ulps` ULP wrong at most.
    fn rounded(value: f64, carried: f64, ulps: f64) -> Self {
        Self { value, bound: carried + ulps * ULP * (value.abs() + carried) + FLUSHED }
    }

    /// The exact value, where self is what a formula that only comes near it gives, with its bound.
    fn around(self, exact: f64) -> Self {
        Self { value: exact, bound: self.bound + (self.value - exact).abs() }
    }

    /// How near to zero a device may find it; below zero where it may find either sign.
    fn nearest_to_zero(self) -> f64 {
        self.value.abs() - self.bound
    }

    /// Self / divisor, where no device's divisor is nearer to zero than `least`.
    fn divided(self, divisor: Self, least: f64) -> Self {
        let carried = if least > FLUSHED {
            (self.value.abs() * divisor.bound + divisor.value.abs() * self.bound) / (divisor.value.abs() * least)
        } else {
            f64::INFINITY
        };
        Self::rounded(self.value / divisor.value, carried, DIVISION_ULPS)
    }

    /// Whether it is above `other`, where every device finds the same.
    fn surely_above(self, other: Self) -> Option<bool> {
        let (difference, bound) = (self.value - other.value, self.bound + other.bound);
        (bound == 0.0 || difference.abs() > bound).then_some(difference > 0.0)
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Bounded {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Bounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::rounded(self.value + other.value, self.bound + other.bound, 1.0)
    }
}

impl Sub for Bounded {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Bounded {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let carried = self.value.abs() * other.bound + other.value.abs() * self.bound + self.bound * other.bound;
        Self::rounded(self.value * other.value, carried, 1.0)
    }
}

impl Div for Bounded {
    type Output = Self;
    /// |a/b - a'/b'| <= (|a| eb + |b| ea) / (|b| |b'|), where |b'| >= |b| - eb, and no bound at all when b' may be zero.
    fn div(self, other: Self) -> Self {
        self.divided(other, other.nearest_to_zero())
    }
}

impl Neg for Bounded {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, bound: self.bound }
    }
}

impl Scalar for Bounded {
    const UNSURE: bool = true;

    fn real(value: f32) -> Self {
        Self { value: f64::from(value), bound: 0.0 }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn half(self) -> Self {
        Self { bound: binary16::bound_of_stored(self.value, self.bound), ..self }
    }

    fn stored_half(value: f32) -> Self {
        Self { value: f64::from(value), bound: binary16::bound_of_read(value) }
    }

    fn exp(self) -> Self {
        let value = self.value.exp();
        let ulps = 3.0 + 2.0 * (self.value.abs() + self.bound);
        Self::rounded(value, value * self.bound.exp_m1(), ulps)
    }

    fn ln(self) -> Self {
        let least = self.value - self.bound;
        let carried = if least > 0.0 { (self.value / least).ln() } else { f64::INFINITY };
        let mut result = Self::rounded(self.value.ln(), carried, LOG_ULPS);
        result.bound += LOG_ABSOLUTE;
        result
    }

    /// |sqrt(x) - sqrt(x')| is at most sqrt(e), and at most e / sqrt(x - e) where that is real.
    fn sqrt(self) -> Self {
        let least = self.value - self.bound;
        let slope = if least > 0.0 { self.bound / (2.0 * least.sqrt()) } else { f64::INFINITY };
        Self::rounded(self.value.sqrt(), slope.min(self.bound.sqrt()), SQRT_ULPS)
    }

    /// What is known of the divisor bounds the quotient even where the divisor's own bound reaches zero.
    fn over(self, divisor: Self, least: Self) -> Self {
        self.divided(divisor, divisor.nearest_to_zero().max(least.nearest_to_zero()))
    }

    fn exp_m1(self) -> Self {
        special::exp_minus_one(self).around(self.value.exp_m1())
    }

    fn ln_1p(self) -> Self {
        special::ln_one_plus(self).around(self.value.ln_1p())
    }

    fn erfc(self) -> Self {
        special::erfc(self).around(libm::erfc(self.value))
    }

    fn max(self, other: Self) -> Self {
        match self.surely_above(other) {
            Some(true) => self,
            Some(false) => other,
            None => Self { value: self.value.max(other.value), bound: self.bound.max(other.bound) },
        }
    }

    /// Where a device may find either, the bound reaches from the one to the other.
    fn if_above(self, than: Self, yes: Self, no: Self) -> Self {
        let (taken, other) = if self.value > than.value { (yes, no) } else { (no, yes) };
        match self.surely_above(than) {
            Some(_) => taken,
            None => {
                Self { value: taken.value, bound: taken.bound.max((taken.value - other.value).abs() + other.bound) }
            }
        }
    }

    fn abs(self) -> Self {
        Self { value: self.value.abs(), bound: self.bound }
    }

    fn sum(terms: impl Iterator<Item = Self>) -> Self {
        let (mut count, mut value, mut size, mut carried) = (0.0, 0.0, 0.0, 0.0);
        for term in terms {
            count += 1.0;
            value += term.value;
            size += term.value.abs() + term.bound;
            carried += term.bound;
        }
        Self { value, bound: carried + summation_error(count, size) }
    }
}

/// The error of adding `count` terms of total size `size` in any order: (n-1) ULP of the sum of sizes
/// (Higham, "Accuracy and Stability of Numerical Algorithms", section 4.2), with room for the second-order term.
fn summation_error(count: f64, size: f64) -> f64 {
    let first_order = (count - 1.0).max(0.0) * ULP;
    first_order / (1.0 - first_order) * size + count * FLUSHED
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound holds for f32 itself on signed random chains, and is not so wide that it means nothing.
    #[test]
    fn bounds_hold_for_f32_and_are_tight() {
        use crate::random::{Purpose, Stream};
        let mut stream = Stream::new(3, Purpose::Inputs, 0);
        for _ in 0..2000 {
            let (x, y) = (stream.symmetric(4.0), stream.symmetric(4.0));
            let exact = chain(Bounded::real(x), Bounded::real(y));
            let error = (f64::from(chain(x, y)) - exact.value).abs();
            assert!(error <= exact.bound, "{x} {y}: error {error}, bound {}", exact.bound);
            assert!(exact.bound < 1e-3 * exact.value.abs().max(1.0), "{x} {y}: bound {}", exact.bound);
        }
    }

    fn chain<T: Scalar>(x: T, y: T) -> T {
        let e = (-x.abs()).exp();
        (x * y + e) / (T::one() + e) - (T::one() + y * y).sqrt() * (T::one() + e).ln()
    }

    #[test]
    fn a_divisor_that_may_be_zero_has_no_bound() {
        let tiny = Bounded { value: 1e-9, bound: 1e-8 };
        assert!((Bounded::real(1.0) / tiny).bound.is_infinite());
    }

    /// A gradient that is rounding and nothing else, over its own size and an epsilon, as in Adam's step: the bound is
    /// finite, and holds for whatever gradient a device finds. That of a gradient that is known is as tight as ever.
    #[test]
    fn a_divisor_that_is_known_to_be_above_zero_has_a_bound() {
        use crate::random::{Purpose, Stream};
        let mut stream = Stream::new(4, Purpose::Inputs, 0);
        for _ in 0..2000 {
            let gradient = Bounded { value: f64::from(stream.symmetric(1e-8)), bound: 1e-7 };
            let step = size_of(gradient);
            assert!(step.bound.is_finite() && (gradient / (gradient * gradient).sqrt()).bound.is_infinite());
            let found = (gradient.value + gradient.bound * f64::from(stream.symmetric(1.0))) as f32;
            let error = (f64::from(size_of(found)) - step.value).abs();
            assert!(error <= step.bound, "{found} for {gradient:?}: {step:?}");
        }
        assert!(size_of(Bounded { value: 1e-3, bound: 1e-9 }).bound < 1e-5);
    }

    fn size_of<T: Scalar>(gradient: T) -> T {
        let epsilon = T::real(1e-8);
        gradient.over((gradient * gradient).sqrt() + epsilon, epsilon)
    }

    /// What a comparison decides is bounded by both outcomes where devices may differ on it, and exact where not.
    #[test]
    fn a_comparison_that_may_go_either_way_has_both_outcomes_within_its_bound() {
        let near = Bounded { value: 0.5, bound: 1e-3 };
        let decide = |x: Bounded, than: f32| x.if_above(Bounded::real(than), Bounded::one(), Bounded::zero());
        for than in [0.4995, 0.5, 0.5005] {
            let either = decide(near, than);
            assert!((either.value - 0.0).abs() <= either.bound && (either.value - 1.0).abs() <= either.bound);
        }
        let decisions = [(decide(near, 0.4), 1.0), (decide(near, 0.6), 0.0), (decide(Bounded::real(0.5), 0.5), 0.0)];
        assert!(decisions.iter().all(|(had, wanted)| had.value == *wanted && had.bound == 0.0), "{decisions:?}");
        // So has the larger of two: the bound of the one that it surely is.
        assert_eq!(near.max(Bounded::zero()).bound, near.bound);
        assert_eq!(Scalar::max(-near, Bounded::zero()).bound, 0.0);
        assert_eq!(Scalar::max(near, Bounded::real(0.5)).bound, near.bound);
    }

    #[test]
    fn the_larger_of_a_number_and_nan_does_not_hide_the_nan() {
        assert!(Scalar::max(f32::NAN, 0.0).is_nan());
    }
}
