//! Functions that WGSL does not have, by formulas that f32 and WGSL share (`shaders/include/activation.wgsl`). In f64 they
//! are the exact functions; the bound that [`crate::scalar::Bounded`] gives is that of the formula's own arithmetic and
//! of its distance from the exact value.

use crate::scalar::Scalar;

/// By Horner's rule, the highest power's coefficient first.
#[inline(always)]
pub(crate) fn polynomial<T: Scalar, const N: usize>(coefficients: [f32; N], x: T) -> T {
    coefficients[1..].iter().fold(T::real(coefficients[0]), |sum, c| sum * x + T::real(*c))
}

/// e^x in f32, within two ULP, without a branch, so that loops over it become vectors; the same bits on every system.
/// 2^n e^r with n = round(x / ln 2) and r = x - n ln 2, whose ln 2 is in two parts, and e^r by a polynomial of least
/// largest error (Moshier, "Methods and Programs for Mathematical Functions", 1989; his Cephes library's `expf`).
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "digits as published")]
pub(crate) fn exp_f32(x: f32) -> f32 {
    // Written so that a NaN stays. Beyond these ends the result is infinite or zero.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    // Added to a number of less than 2^22, it leaves the nearest whole number in the last bits.
    const WHOLE: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = x - n * 0.693_359_375 - n * -2.121_944_4e-4;
    let fit = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.000_000_1e-1];
    let near = polynomial(fit, r) * (r * r) + r + 1.0;
    // In two steps, since 2^n by itself may be beyond what f32 holds.
    let n = shifted.to_bits().wrapping_sub(WHOLE.to_bits()).cast_signed();
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23).cast_unsigned());
    near * power(half) * power(n.wrapping_sub(half))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp() {
        let ends = [f32::MIN_POSITIVE.ln(), f32::MAX.ln()];
        let count = 2_000_000;
        let grid = (0..=count).map(|i| ends[0] + (ends[1] - ends[0]) * i as f32 / count as f32);
        let small = (0..2_000).map(|i| (i as f32 - 1_000.0) * 1e-6);
        for x in grid.chain(small) {
            let wanted = f64::from(x).exp();
            let ulp = f64::from(f32::EPSILON) * wanted.log2().floor().exp2();
            let off = (f64::from(exp_f32(x)) - wanted).abs();
            assert!(off <= 2.0 * ulp || wanted > f64::from(f32::MAX), "exp({x}) is {} ULP off", off / ulp);
        }
    }

    #[test]
    fn exp_of_what_has_no_f32_result() {
        assert_eq!(exp_f32(0.0), 1.0);
        assert_eq!(exp_f32(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp_f32(89.5), f32::INFINITY);
        assert_eq!(exp_f32(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_f32(-105.0), 0.0);
        assert!(exp_f32(f32::NAN).is_nan());
        let least = exp_f32(-100.0);
        assert!((f64::from(least) - (-100.0_f64).exp()).abs() < f64::from(f32::from_bits(2)), "{least:e}");
    }
}
