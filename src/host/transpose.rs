//! Transposed copies: what a product's left operand needs where its depth is contiguous.

/// Rows and columns that any processor holds in registers at once.
const SQUARE: usize = 4;

/// Copies `rows` rows of `columns` contiguous numbers, `stride` apart, into columns of rows that are `width` apart.
pub(crate) type Transpose =
    unsafe fn(from: *const f32, stride: isize, extents: [usize; 2], to: &mut [f32], width: usize);

/// The fastest way of this processor, found at run time.
pub(crate) fn fastest() -> Transpose {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return avx512::transpose;
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") {
        return avx::transpose;
    }
    portable
}

/// # Safety
/// `rows` rows of `columns` numbers can be read from `from` on, each `stride` numbers behind the one before.
unsafe fn portable(from: *const f32, stride: isize, [rows, columns]: [usize; 2], to: &mut [f32], width: usize) {
    let whole = [rows / SQUARE * SQUARE, columns / SQUARE * SQUARE];
    for i in (0..whole[0]).step_by(SQUARE) {
        for j in (0..whole[1]).step_by(SQUARE) {
            // SAFETY: as the caller promises.
            let square: [[f32; SQUARE]; SQUARE] = std::array::from_fn(|row| unsafe {
                from.offset((i + row) as isize * stride).add(j).cast::<[f32; SQUARE]>().read_unaligned()
            });
            for column in 0..SQUARE {
                let transposed: [f32; SQUARE] = std::array::from_fn(|row| square[row][column]);
                to[(j + column) * width + i..][..SQUARE].copy_from_slice(&transposed);
            }
        }
    }
    // SAFETY: as the caller promises.
    unsafe { one_by_one(from, stride, [rows, columns], whole, to, width) };
}

/// What is left where the first `whole` rows and columns have been transposed.
///
/// # Safety
/// As [`portable`].
#[inline(always)]
unsafe fn one_by_one(
    from: *const f32,
    stride: isize,
    [rows, columns]: [usize; 2],
    whole: [usize; 2],
    to: &mut [f32],
    width: usize,
) {
    for i in 0..rows {
        let first = if i < whole[0] { whole[1] } else { 0 };
        for j in first..columns {
            // SAFETY: as the caller promises.
            to[j * width + i] = unsafe { *from.offset(i as isize * stride).add(j) };
        }
    }
}

// In these two there are loops and no `from_fn`: what that calls is not inlined, since it is not compiled for wide vectors.

/// Shuffles' numbers: the first two numbers of both operands' quarters, and the last two.
#[cfg(target_arch = "x86_64")]
const LOW: i32 = 0b01_00_01_00;
#[cfg(target_arch = "x86_64")]
const HIGH: i32 = 0b11_10_11_10;

#[cfg(target_arch = "x86_64")]
mod avx {
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    use super::{HIGH, LOW};

    /// Rows and columns that eight registers hold.
    const SQUARE: usize = 8;

    /// # Safety
    /// As [`super::portable`], and the processor has AVX.
    #[target_feature(enable = "avx")]
    pub unsafe fn transpose(
        from: *const f32,
        stride: isize,
        [rows, columns]: [usize; 2],
        to: &mut [f32],
        width: usize,
    ) {
        let whole = [rows / SQUARE * SQUARE, columns / SQUARE * SQUARE];
        for i in (0..whole[0]).step_by(SQUARE) {
            for j in (0..whole[1]).step_by(SQUARE) {
                let mut square = [_mm256_setzero_ps(); SQUARE];
                for (n, row) in square.iter_mut().enumerate() {
                    // SAFETY: as the caller promises.
                    *row = unsafe { _mm256_loadu_ps(from.offset((i + n) as isize * stride).add(j)) };
                }
                for (n, column) in transposed(square).into_iter().enumerate() {
                    let to = &mut to[(j + n) * width + i..][..SQUARE];
                    // SAFETY: the slice has so many numbers.
                    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), column) };
                }
            }
        }
        // SAFETY: as the caller promises.
        unsafe { super::one_by_one(from, stride, [rows, columns], whole, to, width) };
    }

    /// Columns of eight rows: pairs of rows, then fours within each half of a register, then the halves.
    #[inline]
    #[target_feature(enable = "avx")]
    fn transposed(rows: [__m256; SQUARE]) -> [__m256; SQUARE] {
        let [mut pairs, mut fours, mut columns] = [[_mm256_setzero_ps(); SQUARE]; 3];
        for n in (0..SQUARE).step_by(2) {
            pairs[n] = _mm256_unpacklo_ps(rows[n], rows[n + 1]);
            pairs[n + 1] = _mm256_unpackhi_ps(rows[n], rows[n + 1]);
        }
        for n in (0..SQUARE).step_by(4) {
            fours[n] = _mm256_shuffle_ps::<LOW>(pairs[n], pairs[n + 2]);
            fours[n + 1] = _mm256_shuffle_ps::<HIGH>(pairs[n], pairs[n + 2]);
            fours[n + 2] = _mm256_shuffle_ps::<LOW>(pairs[n + 1], pairs[n + 3]);
            fours[n + 3] = _mm256_shuffle_ps::<HIGH>(pairs[n + 1], pairs[n + 3]);
        }
        for n in 0..4 {
            columns[n] = _mm256_permute2f128_ps::<0x20>(fours[n], fours[4 + n]);
            columns[4 + n] = _mm256_permute2f128_ps::<0x31>(fours[n], fours[4 + n]);
        }
        columns
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_shuffle_ps, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
    };

    use super::{HIGH, LOW};

    /// Rows and columns that sixteen registers hold: lines of the cache on both sides.
    const SQUARE: usize = 16;

    /// # Safety
    /// As [`super::portable`], and the processor has AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn transpose(
        from: *const f32,
        stride: isize,
        [rows, columns]: [usize; 2],
        to: &mut [f32],
        width: usize,
    ) {
        for i in (0..rows).step_by(SQUARE) {
            let high = SQUARE.min(rows - i);
            // All columns of few rows, which the processor fetches ahead.
            for j in (0..columns).step_by(SQUARE) {
                let wide = SQUARE.min(columns - j);
                let mut square = [_mm512_setzero_ps(); SQUARE];
                for (n, row) in square.iter_mut().enumerate() {
                    if n < high {
                        let start = from.wrapping_offset((i + n) as isize * stride).wrapping_add(j);
                        // SAFETY: as the caller promises: `wide` numbers of that row.
                        *row = unsafe { _mm512_maskz_loadu_ps(first(wide), start) };
                    }
                }
                for (n, column) in transposed(square).into_iter().enumerate() {
                    if n < wide {
                        let to = &mut to[(j + n) * width + i..][..high];
                        // SAFETY: the mask has just the slice's numbers.
                        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), first(high), column) };
                    }
                }
            }
        }
    }

    /// The mask of the first `count` numbers, 1 to 16.
    #[inline(always)]
    fn first(count: usize) -> u16 {
        u16::MAX >> (SQUARE - count)
    }

    /// Columns of sixteen rows: pairs of rows, then fours within each quarter of a register, then the quarters.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transposed(rows: [__m512; SQUARE]) -> [__m512; SQUARE] {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        let [mut pairs, mut fours, mut columns] = [[_mm512_setzero_ps(); SQUARE]; 3];
        for n in (0..SQUARE).step_by(2) {
            pairs[n] = _mm512_unpacklo_ps(rows[n], rows[n + 1]);
            pairs[n + 1] = _mm512_unpackhi_ps(rows[n], rows[n + 1]);
        }
        for n in (0..SQUARE).step_by(4) {
            fours[n] = _mm512_shuffle_ps::<LOW>(pairs[n], pairs[n + 2]);
            fours[n + 1] = _mm512_shuffle_ps::<HIGH>(pairs[n], pairs[n + 2]);
            fours[n + 2] = _mm512_shuffle_ps::<LOW>(pairs[n + 1], pairs[n + 3]);
            fours[n + 3] = _mm512_shuffle_ps::<HIGH>(pairs[n + 1], pairs[n + 3]);
        }
        // Quarter q of `fours[4 r + n]` is column 4 q + n of rows 4 r and on.
        for n in 0..4 {
            let [a, b, c, d] = [fours[n], fours[4 + n], fours[8 + n], fours[12 + n]];
            let even = [_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<EVEN>(c, d)];
            let odd = [_mm512_shuffle_f32x4::<ODD>(a, b), _mm512_shuffle_f32x4::<ODD>(c, d)];
            columns[n] = _mm512_shuffle_f32x4::<EVEN>(even[0], even[1]);
            columns[4 + n] = _mm512_shuffle_f32x4::<EVEN>(odd[0], odd[1]);
            columns[8 + n] = _mm512_shuffle_f32x4::<ODD>(even[0], even[1]);
            columns[12 + n] = _mm512_shuffle_f32x4::<ODD>(odd[0], odd[1]);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that this processor has.
    fn ways() -> Vec<Transpose> {
        #[allow(unused_mut)]
        let mut ways: Vec<Transpose> = vec![portable, fastest()];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx") {
            ways.push(avx::transpose);
        }
        ways
    }

    #[test]
    fn every_way_transposes_whole_squares_and_what_is_left() {
        for (rows, columns, stride, width) in
            [(1, 1, 1, 1), (4, 9, 9, 4), (8, 16, 20, 8), (13, 16, 17, 16), (61, 11, 30, 64), (48, 37, 37, 50)]
        {
            let from: Vec<f32> = (0..rows * stride).map(|n| n as f32 + 1.0).collect();
            let wanted = |i: usize, j: usize| from[i * stride + j];
            for transpose in ways() {
                let mut to = vec![0.0; columns * width];
                // SAFETY: `from` has all rows.
                unsafe { transpose(from.as_ptr(), stride as isize, [rows, columns], &mut to, width) };
                for (at, had) in to.iter().enumerate() {
                    let (j, i) = (at / width, at % width);
                    let value = if i < rows { wanted(i, j) } else { 0.0 };
                    assert_eq!(*had, value, "{rows} rows, {columns} columns: row {i}, column {j}");
                }
            }
        }
    }
}
