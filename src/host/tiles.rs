//! How an operation is cut into tasks. Every number of a product is summed in the same order wherever the cuts are
//! (`matmul.rs`), so that their number may follow that of the threads and results still do not depend on it.

use ndarray::{ArrayViewMut2, Axis};

use super::pool::{join, width};

/// Floating-point operations below which a task is not worth handing over. So few, since threads without work fall asleep
/// within microseconds, and waking them for the next large operation costs more than handing them the small ones.
const LEAST: u64 = 5_000;
/// Columns of a product that a cut falls on: the widest vectors' worth of a microkernel.
const COLUMNS: usize = 64;

/// How many tasks work of so many floating-point operations is worth: one for each thread that it may fork onto at most.
pub(crate) fn tasks(flops: u64) -> usize {
    tasks_within(width(), flops)
}

/// The same for work that may fork onto so many threads.
pub(crate) fn tasks_within(width: usize, flops: u64) -> usize {
    usize::try_from(flops / LEAST).unwrap_or(usize::MAX).min(width).max(1)
}

/// Cuts a matrix into `tasks` tiles and hands each to `body`, in parallel, with the place of its first number.
///
/// Columns are cut while they are many: of a product's operands, the one that columns come from is dearer to share.
pub(crate) fn in_tiles<T: Send>(
    tile: ArrayViewMut2<T>,
    [row, column]: [usize; 2],
    tasks: usize,
    body: &(impl Fn([usize; 2], ArrayViewMut2<T>) + Sync),
) {
    let (rows, columns) = tile.dim();
    let (axis, len, unit) = if columns >= 2 * COLUMNS { (1, columns, COLUMNS) } else { (0, rows, 1) };
    if tasks < 2 || len < 2 {
        return body([row, column], tile);
    }
    let at = share(len, unit, tasks);
    let (first, second) = tile.split_at(Axis(axis), at);
    let next = if axis == 1 { [row, column + at] } else { [row + at, column] };
    join(|| in_tiles(first, [row, column], tasks / 2, body), || in_tiles(second, next, tasks - tasks / 2, body));
}

/// Cuts each of some slices into chunks of its own length, the last perhaps shorter, and hands the chunks of one place
/// to `body` together, in parallel, with the place's number.
pub(crate) fn in_chunks<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    lens: [usize; N],
    body: &(impl Fn(usize, [&mut [T]; N]) + Sync),
) {
    chunks_from(0, slices, lens, body);
}

fn chunks_from<T: Send, const N: usize>(
    first: usize,
    slices: [&mut [T]; N],
    lens: [usize; N],
    body: &(impl Fn(usize, [&mut [T]; N]) + Sync),
) {
    let count = slices[0].len().div_ceil(lens[0]);
    if count < 2 {
        if count == 1 {
            body(first, slices);
        }
        return;
    }
    let half = count / 2;
    let mut index = 0;
    let mut others = [const { None }; N];
    let own = slices.map(|slice| {
        let (own, other) = slice.split_at_mut((half * lens[index]).min(slice.len()));
        others[index] = Some(other);
        index += 1;
        own
    });
    let others = others.map(Option::unwrap_or_default);
    join(|| chunks_from(first, own, lens, body), || chunks_from(first + half, others, lens, body));
}

/// Where to cut `len` things in two, the first of which is for half the tasks; a multiple of `unit` where there are two.
pub(crate) fn share(len: usize, unit: usize, tasks: usize) -> usize {
    let exact = len * (tasks / 2) / tasks;
    exact.next_multiple_of(unit).min((len - 1) / unit * unit).max(1)
}
