/// What a task of an operation borrows at a time, at most ([`Memory::with_scratch`](super::Memory::with_scratch)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scratch {
    pub buffers: u64,
    /// Of the largest buffer.
    pub numbers: u64,
}

impl Scratch {
    /// So many buffers of at most this product of extents.
    pub fn of(buffers: u64, extents: &[usize]) -> Self {
        Self { buffers, numbers: extents.iter().fold(1, |product, extent| product.saturating_mul(*extent as u64)) }
    }

    /// Enough for either of two.
    pub fn larger(self, other: Self) -> Self {
        Self { buffers: self.buffers.max(other.buffers), numbers: self.numbers.max(other.numbers) }
    }
}
