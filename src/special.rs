//! Functions that WGSL does not have, by formulas that f32 and WGSL share (`shaders/include/activation.wgsl`). In f64 they
//! are the exact functions; the bound that [`crate::scalar::Bounded`] gives is that of the formula's own arithmetic and
//! of its distance from the exact value.

use crate::scalar::Scalar;

/// By Horner's rule, the highest power's coefficient first.
#[inline(always)]
pub(crate) fn polynomial<T: Scalar, const N: usize>(coefficients: [f32; N], x: T) -> T {
    coefficients[1..].iter().fold(T::real(coefficients[0]), |sum, c| sum * x + T::real(*c))
}

/// Up to which size the series of e^x - 1 is used; beyond, the difference loses less than two bits.
const NEAR: f32 = 0.5;

/// e^x - 1, for x at most 0: by its Taylor series near 0, whose first term left out, x^9/9!,
/// is 1.4e-8 of the sum at most.
#[inline(always)]
pub(crate) fn exp_minus_one<T: Scalar>(x: T) -> T {
    #[rustfmt::skip]
    let series = [1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let near = x.max(T::real(-NEAR));
    (-x).if_above(T::real(NEAR), x.exp() - T::one(), near * polynomial(series, near))
}

/// ln(1 + x), for x from 0 to 1: 2 atanh(s) with s = x / (2 + x), at most 1/3; the first term of the series left out is
/// s^18/19 of the first, 1.4e-10. (Abramowitz and Stegun, "Handbook of Mathematical Functions", 4.1.27.)
#[inline(always)]
pub(crate) fn ln_one_plus<T: Scalar>(x: T) -> T {
    #[rustfmt::skip]
    let series = [
        2.0 / 17.0, 2.0 / 15.0, 2.0 / 13.0, 2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0,
    ];
    let s = x / (x + T::real(2.0));
    s * polynomial(series, s * s)
}

/// From where on erfc(x) is zero in f32.
const ERFC_END: f32 = 12.0;

/// erfc(x) = 1 - erf(x) = t exp(-x² + P(t)) with t = 1 / (1 + x/2), for x at least 0: a Chebyshev fit whose relative error
/// is everywhere below 1.2e-7, one ULP of f32 (Press, Teukolsky, Vetterling, Flannery, "Numerical Recipes in C", 2nd ed.,
/// section 6.2, `erfcc`); erfc(-x) = 2 - erfc(x).
#[inline(always)]
pub(crate) fn erfc<T: Scalar>(x: T) -> T {
    #[rustfmt::skip]
    #[expect(clippy::excessive_precision, reason = "digits as published")]
    let fit = [
        0.170_872_77, -0.822_152_23, 1.488_515_87, -1.135_203_98, 0.278_868_07, -0.186_288_06, 0.096_784_18, 0.374_091_96,
        1.000_023_68, -1.265_512_23,
    ];
    let size = -(-x.abs()).max(T::real(-ERFC_END));
    let t = T::one() / (T::one() + T::real(0.5) * size);
    let upper = t * (polynomial(fit, t) - size * size).exp();
    x.if_above(T::zero(), upper, T::real(2.0) - upper)
}
