/// Runs a loop compiled for the widest vectors of this processor, found at run time: AVX-512, AVX2, or what the binary
/// was built for. The closure, and all that it calls down to the arithmetic, must be `#[inline(always)]`: what is not
/// inlined is compiled for the plain target. No product is fused with a sum, so that the result is the same on all.
#[inline(always)]
pub(crate) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(body)
}

/// Bytes of a cache line, about.
pub(crate) const LINE: usize = 64;

/// Asks for values that will be read soon, so that they are on their way into the cache while others are worked on.
/// Nothing where the language has no stable way to ask.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T]) {
    prefetch_at(values.as_ptr(), values.len());
}

/// The same for `len` values from `start` on. It reads nothing that the program could see, so that any address will do.
#[inline(always)]
pub(crate) fn prefetch_at<T>(start: *const T, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..len * size_of::<T>()).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast::<i8>().wrapping_add(line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len, LINE);
}

#[cfg(test)]
mod tests {
    /// A feature of pulp that is left out would leave loops at what the binary was built for.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn loops_use_the_widest_vectors() {
        let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        assert_eq!(!matches!(pulp::Arch::new(), pulp::Arch::Scalar), wide);
    }
}
