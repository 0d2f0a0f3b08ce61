/// Runs a loop compiled for the widest vectors of this processor, found at run time: AVX-512, AVX2, or what the binary
/// was built for. The closure, and all that it calls down to the arithmetic, must be `#[inline(always)]`: what is not
/// inlined is compiled for the plain target. No product is fused with a sum, so that the result is the same on all.
#[inline(always)]
pub(crate) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(body)
}
