//! The innermost loops of f32 products: gemm's microkernels for the widest vectors of this processor.

use gemm_common::microkernel::MicroKernelFn;
use gemm_f32::microkernel;

use super::transpose::{self, Transpose};

type Kernel = MicroKernelFn<f32>;

/// A family of microkernels. One of them adds up a block of the product in registers, up to `packs` vectors by
/// `columns`, over the whole depth that it is given and in ascending order.
pub(crate) struct Kernels {
    /// Numbers in a vector.
    pub lanes: usize,
    /// The most vectors of a block.
    pub packs: usize,
    /// The most columns of a block.
    pub columns: usize,
    /// By vectors and columns, (packs, columns).
    all: &'static [Kernel],
    /// Copies rows as columns.
    pub transpose: Transpose,
}

impl Kernels {
    /// The family for this processor, found at run time.
    pub fn widest() -> Self {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                return Self::new(16, &microkernel::avx512f::f32::UKR);
            }
            if std::arch::is_x86_feature_detected!("fma") {
                return Self::new(8, &microkernel::fma::f32::UKR);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            return Self::new(4, &microkernel::neon::f32::UKR);
        }
        Self::new(1, &microkernel::scalar::f32::UKR)
    }

    fn new<const COLUMNS: usize, const PACKS: usize>(lanes: usize, all: &'static [[Kernel; COLUMNS]; PACKS]) -> Self {
        Self { lanes, packs: PACKS, columns: COLUMNS, all: all.as_flattened(), transpose: transpose::fastest() }
    }

    /// The kernel for blocks of so many rows and columns.
    pub fn of(&self, rows: usize, columns: usize) -> Kernel {
        self.all[(rows.div_ceil(self.lanes) - 1) * self.columns + columns - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_kernel_for_every_block() {
        let kernels = Kernels::widest();
        assert_eq!(kernels.all.len(), kernels.packs * kernels.columns);
        let last = kernels.of(kernels.lanes * kernels.packs, kernels.columns);
        assert!(std::ptr::fn_addr_eq(last, kernels.all[kernels.all.len() - 1]));
        assert!(std::ptr::fn_addr_eq(kernels.of(1, 1), kernels.all[0]));
    }
}
