//! The number types that the CPU functions of the operations run on.
//!
//! Every operation's CPU function is written once, generic over [`Scalar`]. On `f32` it is the CPU executor, on `f64`
//! the oracle of gradient checks, and on [`Bounded`] it computes the exact value together with a bound on what any
//! conforming f32 device may answer: the error bound of verification is derived by running the operation itself.

pub(crate) mod binary16;
mod bounded;
pub(crate) mod special;

pub use bounded::Bounded;

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

use ndarray::ArrayView2;

/// A real number that operations compute with.
pub trait Scalar:
    Copy
    + Debug
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// Whether a comparison may come out differently on another device, which a bound must cover.
    const UNSURE: bool = false;
    /// An exact constant or input.
    fn real(value: f32) -> Self;
    /// The value, without its bound.
    fn value(self) -> f64;
    /// e to the power of self.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// e^self - 1, for numbers at most 0, without loss near 0.
    fn exp_m1(self) -> Self;
    /// ln(1 + self), for numbers from 0 to 1, without loss near 0.
    fn ln_1p(self) -> Self;
    /// The complementary error function, 1 - erf(self).
    fn erfc(self) -> Self;
    /// The larger of the two.
    fn max(self, other: Self) -> Self;
    /// `yes` if self is larger than `than`, else `no`.
    fn if_above(self, than: Self, yes: Self, no: Self) -> Self;
    /// Self / divisor, where every device's divisor is at least `least`, a number above 0, whatever its rounding.
    #[inline(always)]
    fn over(self, divisor: Self, _least: Self) -> Self {
        self / divisor
    }
    /// Sum of the terms in any order.
    fn sum(terms: impl Iterator<Item = Self>) -> Self;
    /// Sum of a slice in any order.
    fn slice_sum(values: &[Self]) -> Self {
        Self::sum(values.iter().copied())
    }
    /// Inputs, all exact.
    fn reals(values: &[f32]) -> Cow<'_, [Self]> {
        values.iter().map(|value| Self::real(*value)).collect()
    }
    /// The numbers as f32, if that is what they are.
    fn as_f32(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    /// The sum of each column of a matrix (M, N) into `sums` (N).
    fn column_sums(matrix: ArrayView2<Self>, sums: &mut [Self]) {
        sums.iter_mut().zip(matrix.columns()).for_each(|(sum, column)| *sum = Self::sum(column.iter().copied()));
    }
    /// Zero where a device may flush: f32 below the smallest normal number, whose arithmetic is slow on CPUs.
    #[inline(always)]
    fn flushed(self) -> Self {
        self
    }
    /// Itself as f16 holds it.
    fn half(self) -> Self;
    /// A number that is stored as f16 and has been read from there.
    fn stored_half(value: f32) -> Self {
        Self::real(value)
    }
    /// Zero.
    fn zero() -> Self {
        Self::real(0.0)
    }
    /// One.
    fn one() -> Self {
        Self::real(1.0)
    }
    /// Absolute value.
    fn abs(self) -> Self {
        self.max(-self)
    }
    /// The smaller of the two.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        -(-self).max(-other)
    }
    /// Itself, but not beyond `limit` in either direction.
    #[inline(always)]
    fn within(self, limit: f32) -> Self {
        self.max(Self::real(-limit)).min(Self::real(limit))
    }
}

/// Parts that a slice is summed in.
const LANES: usize = 16;

macro_rules! float_scalar {
    (
        $float:ty,
        $reals:path,
        $as_f32:path,
        $smallest:expr,
        $exp:path,
        $exp_m1:path,
        $ln_1p:path,
        $erfc:path,
        $half:path $(,)?
    ) => {
        impl Scalar for $float {
            fn reals(values: &[f32]) -> Cow<'_, [Self]> {
                $reals(values)
            }
            fn as_f32(values: &mut [Self]) -> Option<&mut [f32]> {
                $as_f32(values)
            }
            #[inline(always)]
            fn real(value: f32) -> Self {
                Self::from(value)
            }
            #[inline(always)]
            fn value(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                <$float>::ln(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$float>::sqrt(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                $exp_m1(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                $ln_1p(self)
            }
            #[inline(always)]
            fn erfc(self) -> Self {
                $erfc(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // Not f32::max, which hides a NaN: a diverged run must show itself.
                if other > self { other } else { self }
            }
            #[inline(always)]
            fn if_above(self, than: Self, yes: Self, no: Self) -> Self {
                if self > than { yes } else { no }
            }
            #[inline(always)]
            fn sum(terms: impl Iterator<Item = Self>) -> Self {
                terms.fold(0.0, |total, term| total + term)
            }
            #[inline(always)]
            fn slice_sum(values: &[Self]) -> Self {
                // Lane by lane, so that a vector is added at a time.
                let (whole, rest) = values.as_chunks::<LANES>();
                let mut lanes = [0.0; LANES];
                for chunk in whole {
                    lanes.iter_mut().zip(chunk).for_each(|(lane, term)| *lane += *term);
                }
                lanes.iter().chain(rest).fold(0.0, |total, term| total + *term)
            }
            fn column_sums(matrix: ArrayView2<Self>, sums: &mut [Self]) {
                // Row after row, so that all columns are added at once; each one's terms keep their order.
                sums.fill(0.0);
                for row in matrix.rows() {
                    sums.iter_mut().zip(row).for_each(|(sum, term)| *sum += *term);
                }
            }
            #[inline(always)]
            fn flushed(self) -> Self {
                // Written so that a NaN stays.
                if <$float>::abs(self) < $smallest { 0.0 } else { self }
            }
            #[inline(always)]
            fn half(self) -> Self {
                $half(self)
            }
        }
    };
}
// In f32 by the formulas that WGSL has too, in f64 exactly.
float_scalar!(
    f32,
    Cow::Borrowed,
    Some,
    f32::MIN_POSITIVE,
    special::exp_f32,
    special::exp_minus_one,
    special::ln_one_plus,
    special::erfc,
    binary16::rounded,
);
// The oracle of gradient checks does not round to f16 either, whose steps have no derivative.
float_scalar!(
    f64,
    as_f64,
    not_f32,
    f64::MIN_POSITIVE,
    f64::exp,
    f64::exp_m1,
    f64::ln_1p,
    libm::erfc,
    std::convert::identity,
);

fn as_f64(values: &[f32]) -> Cow<'_, [f64]> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn not_f32(_: &mut [f64]) -> Option<&mut [f32]> {
    None
}
