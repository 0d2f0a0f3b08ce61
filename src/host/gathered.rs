//! The samples of a batch, gathered for the first layer.

use super::columns::Columns;
use super::compute::Compute;
use super::storage::{Numbers, zeros};
use crate::tensor::{Iteration, TensorId};

/// What decides gathered rows: whose samples, in whose order, of which batch, and for a layer of how many outputs, since
/// these decide whether columns are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GatherKey {
    pub samples: TensorId,
    pub order: Option<TensorId>,
    pub iteration: Iteration,
    pub outputs: usize,
}

/// Rows gathered from samples, (B, I), and which ones.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    pub key: Option<GatherKey>,
    pub rows: Numbers<T>,
    /// Whether rows begin with the numbers of some columns, instead of having all.
    pub squeezed: bool,
    /// Which, where they do.
    pub columns: Columns,
    /// Whether it is time to look for such.
    pub looks: Looks,
}

/// Looks for columns to leave out: the rarer, the longer there have been none.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// What has been seen of a batch.
    pub seen: Vec<u8>,
    /// How many batches go by before the next look, and how many went before the last one.
    left: u32,
    pause: u32,
}

impl Looks {
    /// The most batches between two looks.
    const RAREST: u32 = 64;

    /// Whether to look at this batch.
    pub fn due(&mut self) -> bool {
        let due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        due
    }

    /// Tells the outcome, and gives it back.
    pub fn found(&mut self, worthwhile: bool) -> bool {
        self.pause = if worthwhile { 0 } else { (2 * self.pause).clamp(1, Self::RAREST) };
        self.left = self.pause;
        worthwhile
    }
}

impl<T: Compute> Gathered<T> {
    pub fn new() -> Self {
        Self { key: None, rows: zeros(0), squeezed: false, columns: Columns::default(), looks: Looks::default() }
    }

    /// Makes room for so many numbers.
    pub fn make_room(&mut self, len: usize) {
        self.rows.reserve_exact(len.saturating_sub(self.rows.len()));
        self.rows.resize(len, T::zero());
    }
}
