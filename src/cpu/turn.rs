//! Copies of rows as columns: what a product's left operand needs where its depth is contiguous.

/// Rows and columns that any processor holds in registers at once.
const SQUARE: usize = 4;

/// Copies `rows` rows of `columns` contiguous numbers, `stride` apart, into columns of rows that are `width` apart.
pub(super) type Turn = unsafe fn(from: *const f32, stride: isize, extents: [usize; 2], to: &mut [f32], width: usize);

/// The fastest way of this processor, found at run time.
pub(super) fn fastest() -> Turn {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") {
        return avx::turn;
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
                let turned: [f32; SQUARE] = std::array::from_fn(|row| square[row][column]);
                to[(j + column) * width + i..][..SQUARE].copy_from_slice(&turned);
            }
        }
    }
    // SAFETY: as the caller promises.
    unsafe { one_by_one(from, stride, [rows, columns], whole, to, width) };
}

/// What is left where the first `whole` rows and columns have been turned.
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

#[cfg(target_arch = "x86_64")]
mod avx {
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
        _mm256_unpacklo_ps,
    };

    /// Rows and columns that eight registers hold.
    const SQUARE: usize = 8;

    /// # Safety
    /// As [`super::portable`], and the processor has AVX.
    #[target_feature(enable = "avx")]
    pub unsafe fn turn(from: *const f32, stride: isize, [rows, columns]: [usize; 2], to: &mut [f32], width: usize) {
        let whole = [rows / SQUARE * SQUARE, columns / SQUARE * SQUARE];
        for i in (0..whole[0]).step_by(SQUARE) {
            for j in (0..whole[1]).step_by(SQUARE) {
                // SAFETY: as the caller promises.
                let square = std::array::from_fn(|row| unsafe {
                    _mm256_loadu_ps(from.offset((i + row) as isize * stride).add(j))
                });
                for (column, turned) in turned(square).into_iter().enumerate() {
                    let to: &mut [f32; SQUARE] = (&mut to[(j + column) * width + i..][..SQUARE]).try_into().unwrap();
                    // SAFETY: an array of so many numbers.
                    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), turned) };
                }
            }
        }
        // SAFETY: as the caller promises.
        unsafe { super::one_by_one(from, stride, [rows, columns], whole, to, width) };
    }

    /// Columns of eight rows: pairs of rows, then fours within each half of a register, then the halves.
    #[target_feature(enable = "avx")]
    fn turned(rows: [__m256; SQUARE]) -> [__m256; SQUARE] {
        const LOW: i32 = 0b01_00_01_00;
        const HIGH: i32 = 0b11_10_11_10;
        let pair = |n: usize| [_mm256_unpacklo_ps(rows[n], rows[n + 1]), _mm256_unpackhi_ps(rows[n], rows[n + 1])];
        let four = |[a, b]: [__m256; 2], [c, d]: [__m256; 2]| {
            [
                _mm256_shuffle_ps::<LOW>(a, c),
                _mm256_shuffle_ps::<HIGH>(a, c),
                _mm256_shuffle_ps::<LOW>(b, d),
                _mm256_shuffle_ps::<HIGH>(b, d),
            ]
        };
        let (upper, lower) = (four(pair(0), pair(2)), four(pair(4), pair(6)));
        std::array::from_fn(|n| match n {
            0..4 => _mm256_permute2f128_ps::<0x20>(upper[n], lower[n]),
            _ => _mm256_permute2f128_ps::<0x31>(upper[n - 4], lower[n - 4]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_turns_whole_squares_and_what_is_left() {
        for (rows, columns, stride, width) in
            [(1, 1, 1, 1), (4, 9, 9, 4), (8, 16, 20, 8), (13, 16, 17, 16), (61, 11, 30, 64)]
        {
            let from: Vec<f32> = (0..rows * stride).map(|n| n as f32 + 1.0).collect();
            let wanted = |i: usize, j: usize| from[i * stride + j];
            for turn in [portable, fastest()] {
                let mut to = vec![0.0; columns * width];
                // SAFETY: `from` has all rows.
                unsafe { turn(from.as_ptr(), stride as isize, [rows, columns], &mut to, width) };
                for (at, had) in to.iter().enumerate() {
                    let (j, i) = (at / width, at % width);
                    let value = if i < rows { wanted(i, j) } else { 0.0 };
                    assert_eq!(*had, value, "{rows} rows, {columns} columns: row {i}, column {j}");
                }
            }
        }
    }
}
