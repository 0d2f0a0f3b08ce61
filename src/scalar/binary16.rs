//! f16 (IEEE 754 binary16) as a way to store numbers that are computed with as f32.

/// The smallest normal number, 2^-14. WGSL allows devices to flush what is below it to zero where it is written, and where
/// it is read.
const SMALLEST_NORMAL: f32 = 1.0 / 16_384.0;
/// The largest number.
const LARGEST: f32 = 65_504.0;
/// The distance from 1 to the next number.
const ULP: f64 = 1.0 / 1_024.0;
/// The distance between numbers below the smallest normal one.
const STEP: f64 = 1.0 / 16_777_216.0;
/// Bits of an f32's fraction that f16 has no room for.
const DROPPED: u32 = 13;

/// The nearest f16, of two as near the one whose last bit is 0; beyond the largest, infinity. As hardware does it, but in
/// arithmetic that compilers turn into vectors for any processor.
#[inline(always)]
pub(crate) fn rounded(value: f32) -> f32 {
    let (bits, size) = (value.to_bits(), value.abs());
    let half_but_one = (1 << (DROPPED - 1)) - 1;
    let up = bits.wrapping_add(half_but_one + ((bits >> DROPPED) & 1));
    let normal = f32::from_bits(up & !((1 << DROPPED) - 1));
    // Numbers from 0.5 to 1 are as far apart in f32 as the subnormal ones in f16.
    let subnormal = ((size + 0.5) - 0.5).copysign(value);
    let finite = if size < SMALLEST_NORMAL { subnormal } else { normal };
    let result = if finite.abs() > LARGEST { f32::INFINITY.copysign(value) } else { finite };
    if value.is_nan() { value } else { result }
}

/// How far a device's number may be from `value` once it is stored as f16, if it was within `bound` before. WGSL leaves
/// open in which direction conversions round: a whole ULP, and none beyond the largest number.
pub(crate) fn bound_of_stored(value: f64, bound: f64) -> f64 {
    let size = value.abs() + bound;
    if size > f64::from(LARGEST) {
        return f64::INFINITY;
    }
    let normal = value.abs() - bound >= f64::from(SMALLEST_NORMAL);
    let flushed = if normal || size == 0.0 { 0.0 } else { STEP + size.min(f64::from(SMALLEST_NORMAL)) };
    bound + ULP * size + flushed
}

/// How far what a device reads may be from a number that is stored as f16.
pub(crate) fn bound_of_read(value: f32) -> f64 {
    if value.abs() < SMALLEST_NORMAL { f64::from(value.abs()) } else { 0.0 }
}

/// Numbers as f16 in memory, rounded to the nearest, in whole words.
pub(crate) fn packed(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect()
}

/// Numbers from f16 in memory.
pub(crate) fn unpacked(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|pair| half::f16::from_le_bytes(*pair).to_f32()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    /// Beside the `half` crate: every f16, its neighbours in f32, and the f32s around the middle between it and the next.
    #[test]
    fn rounding_is_that_of_ieee_754() {
        for bits in 0..=u16::MAX {
            let exact = f16::from_bits(bits).to_f32();
            let next = f16::from_bits(bits.wrapping_add(1)).to_f32();
            let middle = exact / 2.0 + next / 2.0;
            for near in [exact, middle] {
                for value in [
                    near,
                    f32::from_bits(near.to_bits().wrapping_add(1)),
                    f32::from_bits(near.to_bits().wrapping_sub(1)),
                ] {
                    let (had, wanted) = (rounded(value), f16::from_f32(value).to_f32());
                    assert!(
                        had.to_bits() == wanted.to_bits() || had.is_nan() && wanted.is_nan(),
                        "{value:e}: {had:e}, {wanted:e}"
                    );
                }
            }
        }
        assert_eq!(rounded(f32::MAX), f32::INFINITY);
        assert_eq!(rounded(-f32::MAX), f32::NEG_INFINITY);
        assert!(rounded(f32::NAN).is_nan());
    }

    /// Whichever of the two neighbours a device takes, and zero below the smallest normal number, but nothing much beyond.
    #[test]
    fn the_bound_of_a_stored_number_holds_for_both_neighbours() {
        for bits in (0..f16::MAX.to_bits()).step_by(7) {
            let [low, high] = [bits, bits + 1].map(|bits| f16::from_bits(bits).to_f64());
            let value = low + (high - low) / 3.0;
            let bound = bound_of_stored(value, 0.0);
            assert!((value - low).abs() <= bound && (value - high).abs() <= bound, "{value:e}");
            assert!(high >= f64::from(SMALLEST_NORMAL) || value <= bound, "{value:e} may be flushed");
            assert!(bound < 2.0 * ULP * value + 2.0 * f64::from(SMALLEST_NORMAL));
        }
        assert_eq!(bound_of_stored(0.0, 0.0), 0.0);
        assert!(bound_of_stored(65_505.0, 0.0).is_infinite());
        assert_eq!([bound_of_read(0.5), bound_of_read(0.0)], [0.0, 0.0]);
        assert_eq!(bound_of_read(1e-6), f64::from(1e-6_f32));
    }

    #[test]
    fn packed_numbers_come_back_rounded() {
        let values = [1.0, -0.1, 1e-7, 65_504.0, 3.0];
        assert_eq!(packed(&values).len(), 10);
        assert_eq!(unpacked(&packed(&values)), values.map(rounded));
    }
}
