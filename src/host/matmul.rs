use std::cell::RefCell;
use std::ops::Range;
use std::sync::LazyLock;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, ShapeBuilder, s};

use super::columns::Columns;
use super::compute::Finish;
use super::kernels::Kernels;
use super::simd::prefetch_at;
use super::transpose::Transpose;

/// The most of K that one pass takes: what the second level of cache holds of the left operand is this deep.
const DEPTH: usize = 800;
/// Rows of the left operand that a pass keeps in the second level of cache while all columns go by.
const ROWS: usize = 256;
/// Rows that lie a multiple of so many numbers apart fall into the same few sets of a cache: such operands are copied.
const SAME_SETS: usize = 1024;
/// The fewest columns that a copy of the left operand pays for.
const COPY_COLUMNS: usize = 32;
/// The least depth of a pass in which a block of the result can come into the cache before it is needed.
const AHEAD_DEPTH: usize = 128;
/// The most numbers of a result that are still in cache when all of it is complete.
const IN_CACHE: usize = 1 << 18;
/// Numbers that vectors are aligned to: a cache line.
const LINE: usize = 16;

static KERNELS: LazyLock<Kernels> = LazyLock::new(Kernels::widest);

thread_local! {
    /// Copies of left operands. It grows to the largest that a thread has needed.
    static COPIES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `c = a b`, shapes (M, K), (K, N), (M, N), on the calling thread: tasks are cut above it. Where a has only some columns
/// they go with those rows of b, and the product is that with zeros in the others, but for the sign of a zero.
///
/// Each number is a sum over K in ascending order, in passes whose depth depends on K alone, so that the result does not
/// depend on how a product is cut along M and N. All of it or, of large ones, blocks go to `finish` when they are complete
/// and still in cache.
///
/// # Panics
/// If the shapes are others.
pub(crate) fn matmul_f32(
    a: ArrayView2<f32>,
    (b, columns): (ArrayView2<f32>, Option<&Columns>),
    mut c: ArrayViewMut2<f32>,
    finish: Finish<'_, f32>,
) {
    let ((m, k), n) = (a.dim(), b.ncols());
    let fits = columns.map_or(b.nrows(), Columns::count) == k && c.dim() == (m, n);
    assert!(fits, "a product of {:?} and {:?} is not {:?}", a.dim(), b.dim(), c.dim());
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        c.fill(0.0);
        return finish([0, 0], c);
    }
    // Vectors go along the extent in which the product is contiguous.
    if c.strides()[1] == 1 {
        let (left, right, result) = (b.reversed_axes(), a.reversed_axes(), c.reversed_axes());
        let product = Product { left, columns, right, result };
        let finish: Finish<'_, f32> = &mut |[row, column], block| finish([column, row], block.reversed_axes());
        COPIES.with_borrow_mut(|copies| product.run(&KERNELS, copies, finish));
    } else if columns.is_some() {
        // No operation has such products.
        let mut rows = Array2::zeros((m, n));
        matmul_f32(a, (b, columns), rows.view_mut(), &mut |_, _| {});
        c.assign(&rows);
        finish([0, 0], c);
    } else {
        let product = Product { left: a, columns: None, right: b, result: c };
        COPIES.with_borrow_mut(|copies| product.run(&KERNELS, copies, finish));
    }
}

/// (M, N) = (M, K) (K, N), M along vectors.
struct Product<'a> {
    left: ArrayView2<'a, f32>,
    /// Which columns of the left operand take part, if not all.
    columns: Option<&'a Columns>,
    right: ArrayView2<'a, f32>,
    result: ArrayViewMut2<'a, f32>,
}

/// Where an operand's block lies: its first number, and how far apart its rows and columns are.
#[derive(Clone, Copy)]
struct Block {
    start: *const f32,
    row: isize,
    column: isize,
}

impl Block {
    fn of(view: &ArrayView2<f32>) -> Self {
        Self { start: view.as_ptr(), row: view.strides()[0], column: view.strides()[1] }
    }

    fn at(self, row: usize, column: usize) -> Self {
        let offset = row as isize * self.row + column as isize * self.column;
        Self { start: self.start.wrapping_offset(offset), ..self }
    }
}

impl Product<'_> {
    /// Pass by pass over K, block by block of the left operand's rows.
    fn run(mut self, kernels: &Kernels, copies: &mut Vec<f32>, finish: Finish<'_, f32>) {
        let (m, k) = self.left.dim();
        let in_blocks = self.result.len() > IN_CACHE;
        let depth = pass_depth(k);
        let rows = m.div_ceil(m.div_ceil(ROWS)).next_multiple_of(kernels.lanes);
        let wanted = rows * depth + LINE;
        if copies.len() < wanted {
            copies.resize(wanted, 0.0);
        }
        let aligned = copies.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        for first in (0..k).step_by(depth) {
            let of = first..k.min(first + depth);
            let taken = self.columns.map_or(of.clone(), |columns| columns.places(of.clone()));
            if taken.is_empty() {
                continue;
            }
            let last = taken.end == self.right.nrows();
            for row in (0..m).step_by(rows) {
                let rows = row..m.min(row + rows);
                let finish: Option<Finish<'_, f32>> = if last && in_blocks { Some(&mut *finish) } else { None };
                self.pass(kernels, rows, [of.clone(), taken.clone()], (&mut copies[aligned..], finish));
            }
        }
        if !in_blocks {
            finish([0, 0], self.result);
        }
    }

    /// Copies of the left operand's block, of so many rows, what kernels cannot read in place; tells whether that is all of it.
    fn copy_left(
        &self,
        kernels: &Kernels,
        (left, rows): (Block, usize),
        (of, depth): (Range<usize>, usize),
        copy: &mut [f32],
    ) -> bool {
        let conflict = in_same_sets(left.column.unsigned_abs()) && self.right.ncols() >= COPY_COLUMNS;
        let all = left.row != 1 || conflict || self.columns.is_some();
        for (at, width) in panels(kernels, rows) {
            let live = width.min(rows - at);
            let to = &mut copy[at * depth..(at + width) * depth];
            match self.columns {
                Some(columns) => {
                    copy_columns(left.at(at, 0), kernels.transpose, [live, width], columns, of.clone(), to)
                }
                None if all || live < width => {
                    copy_panel(left.at(at, of.start), kernels.transpose, [live, width, depth], to);
                }
                None => {}
            }
        }
        all
    }

    /// One block of rows over one piece of K, which is some columns of the left operand, of which some are taken: all
    /// columns of the result go by.
    fn pass(
        &mut self,
        kernels: &Kernels,
        Range { start: row, end }: Range<usize>,
        [of, taken]: [Range<usize>; 2],
        (left_copy, mut finish): (&mut [f32], Option<Finish<'_, f32>>),
    ) {
        let (n, rows, depth, first) = (self.right.ncols(), end - row, taken.len(), taken.start);
        let (left, right) = (Block::of(&self.left).at(row, 0), Block::of(&self.right));
        let copied = self.copy_left(kernels, (left, rows), (of.clone(), depth), left_copy);
        for column in (0..n).step_by(kernels.columns) {
            let columns = kernels.columns.min(n - column);
            let own = right.at(first, column);
            for (at, width) in panels(kernels, rows) {
                let live = width.min(rows - at);
                let panel = match copied || live < width {
                    true => Block { start: left_copy[at * depth..].as_ptr(), row: 1, column: width as isize },
                    false => left.at(at, of.start),
                };
                let result = &mut self.result;
                let [result_row, result_column] = [result.strides()[0], result.strides()[1]];
                if depth >= AHEAD_DEPTH && result_row == 1 {
                    for j in 0..columns {
                        let at = (row + at) as isize + (column + j) as isize * result_column;
                        prefetch_at(result.as_ptr().wrapping_offset(at), live);
                    }
                }
                let offset = (row + at) as isize * result_row + column as isize * result_column;
                // SAFETY: `live` rows and `columns` columns from `offset` on are inside of `result`, which is borrowed
                // mutably and so overlaps neither operand; `depth` rows and columns of the operands are inside of
                // theirs. A kernel reads whole vectors of the left one: `width` rows, which panels that are not copied
                // have, and copies have room for. The first pass over K does not read the result.
                unsafe {
                    kernels.of(live, columns)(
                        live,
                        columns,
                        depth,
                        result.as_mut_ptr().wrapping_offset(offset),
                        panel.start,
                        own.start,
                        result_column,
                        result_row,
                        panel.column,
                        own.row,
                        own.column,
                        1.0,
                        1.0,
                        u8::from(first > 0),
                        false,
                        false,
                        false,
                        std::ptr::null(),
                    );
                }
            }
            if let Some(finish) = &mut finish {
                finish([row, column], self.result.slice_mut(s![row..row + rows, column..column + columns]));
            }
        }
    }
}

/// How much of K each pass takes.
pub(crate) fn pass_depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH).max(1))
}

/// How a block's rows are cut into what kernels take: first row and width of each, whole vectors, the last of them
/// perhaps not full. The last two share what is left, since narrow ones are slow.
fn panels(kernels: &Kernels, rows: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (lanes, packs) = (kernels.lanes, kernels.packs);
    let vectors = rows.div_ceil(lanes);
    let mut at = 0;
    std::iter::from_fn(move || {
        let left = vectors - at;
        let taken = if left >= 2 * packs || left <= packs { left.min(packs) } else { left.div_ceil(2) };
        let panel = (at * lanes, taken * lanes);
        at += taken;
        (taken > 0).then_some(panel)
    })
}

/// Copies some columns of `live` rows of a panel, (depth, width), few rows at a time: what of them is in cache serves all
/// columns.
fn copy_columns(
    from: Block,
    transpose: Transpose,
    [live, width]: [usize; 2],
    columns: &Columns,
    of: Range<usize>,
    to: &mut [f32],
) {
    let first = columns.places(of.clone()).start;
    if from.row == 1 {
        for (column, place, len) in columns.runs(of.clone()) {
            for (k, to) in to[(place - first) * width..].chunks_mut(width).take(len).enumerate() {
                // SAFETY: the panel's rows and columns are inside of the operand, and its rows are contiguous.
                to[..live].copy_from_slice(unsafe { std::slice::from_raw_parts(from.at(0, column + k).start, live) });
            }
        }
        return clear_rows(to, live, width);
    }
    for row in (0..live).step_by(LINE) {
        for (column, place, len) in columns.runs(of.clone()) {
            let (start, extents) = (from.at(row, column).start, [LINE.min(live - row), len]);
            let to = &mut to[(place - first) * width + row..];
            if from.column == 1 {
                // SAFETY: the panel's rows and columns are inside of the operand.
                unsafe { transpose(start, from.row, extents, to, width) };
            } else {
                for (k, to) in to.chunks_mut(width).take(len).enumerate() {
                    // SAFETY: the same.
                    (0..extents[0]).for_each(|i| to[i] = unsafe { *from.at(row + i, column + k).start });
                }
            }
        }
    }
    clear_rows(to, live, width);
}

/// Zeros in the rows of a panel's copy, (depth, width), that are not there.
fn clear_rows(to: &mut [f32], live: usize, width: usize) {
    if live < width {
        to.chunks_mut(width).for_each(|to| to[live..].fill(0.0));
    }
}

/// Copies `live` rows of a panel, (depth, width); the rows that are not there are zero.
fn copy_panel(from: Block, transpose: Transpose, [live, width, depth]: [usize; 3], to: &mut [f32]) {
    // SAFETY: the panel's `live` rows and `depth` columns are inside of the operand, and `len` of them are contiguous.
    let run = |row, column, len| unsafe { std::slice::from_raw_parts(from.at(row, column).start, len) };
    if from.row == 1 {
        to.chunks_mut(width).enumerate().for_each(|(k, to)| to[..live].copy_from_slice(run(0, k, live)));
    } else if from.column == 1 {
        // SAFETY: the panel's rows and columns are inside of the operand.
        unsafe { transpose(from.start, from.row, [live, depth], to, width) };
    } else {
        let columns = to.chunks_mut(width).enumerate();
        columns.for_each(|(k, to)| (0..live).for_each(|i| to[i] = run(i, k, 1)[0]));
    }
    clear_rows(to, live, width);
}

/// Whether rows that lie so many numbers apart fall into the same few sets of a cache, so that few of them stay there.
pub(crate) fn in_same_sets(stride: usize) -> bool {
    stride.is_multiple_of(SAME_SETS)
}

/// Numbers that [`apart`] needs for a matrix of so many rows and columns.
pub(crate) fn apart_len((rows, columns): (usize, usize)) -> usize {
    rows * (columns + LINE)
}

/// A copy of a matrix whose rows fall into other sets of a cache. Without rows of contiguous numbers it is itself.
pub(crate) fn apart<'a, T: Copy>(matrix: ArrayView2<'a, T>, copy: &'a mut [T]) -> ArrayView2<'a, T> {
    let (rows, columns) = matrix.dim();
    let width = if in_same_sets(columns) { columns + LINE } else { columns };
    for (to, from) in copy.chunks_mut(width.max(1)).zip(matrix.rows()) {
        let Some(from) = from.to_slice() else { return matrix };
        to[..columns].copy_from_slice(from);
    }
    ArrayView2::from_shape((rows, columns).strides((width, 1)), copy).unwrap_or(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// Against ndarray in f64, with every operand as it is and transposed, at sizes around the kernels' tiles and beyond
    /// what one pass takes, some of them such that operands are copied.
    #[test]
    fn products_agree_with_ndarray() {
        let mut stream = Stream::new(4, Purpose::Inputs, 0);
        for (m, k, n) in [
            (1, 1, 1),
            (1, 785, 10),
            (7, 13, 17),
            (33, 64, 15),
            (16, 1, 48),
            (65, 100, 129),
            (40, 810, 530),
            (530, 20, 520),
            (33, 40, 1024),
        ] {
            let mut draw = |shape| Array2::from_shape_simple_fn(shape, || stream.symmetric(1.0));
            let (a, a_turned, b, b_turned) = (draw((m, k)), draw((k, m)), draw((k, n)), draw((n, k)));
            for (a, b) in [(a.view(), b.view()), (a_turned.t(), b.view()), (a.view(), b_turned.t())] {
                let (mut c, mut blocks) = (Array2::from_elem((m, n), f32::NAN), Vec::new());
                let mut finished = Array2::from_elem((m, n), 0_u8);
                matmul_f32(a, (b, None), c.view_mut(), &mut |[i, j], block| {
                    let (rows, columns) = block.dim();
                    finished.slice_mut(s![i..i + rows, j..j + columns]).iter_mut().for_each(|count| *count += 1);
                    blocks.push(([i, j], block.to_owned()));
                });
                let mut by_columns = Array2::from_elem((n, m), f32::NAN);
                matmul_f32(a, (b, None), by_columns.view_mut().reversed_axes(), &mut |_, _| {});
                assert!(finished.iter().all(|count| *count == 1), "{m} {k} {n}: not every number is finished once");
                for ([i, j], block) in blocks {
                    assert!(block == c.slice(s![i..i + block.nrows(), j..j + block.ncols()]), "{m} {k} {n}: too early");
                }
                assert!(c == by_columns.t(), "{m} {k} {n}: the layout of the result changes it");
                let wanted = a.mapv(f64::from).dot(&b.mapv(f64::from));
                let sizes = a.mapv(|x| f64::from(x.abs())).dot(&b.mapv(|x| f64::from(x.abs())));
                for ((had, wanted), size) in c.iter().zip(&wanted).zip(&sizes) {
                    // The error of a sum in any order: K roundings of the terms' total size.
                    let bound = k as f64 * f64::from(f32::EPSILON) * size;
                    assert!((f64::from(*had) - wanted).abs() <= bound, "{m} {k} {n}: {had} {wanted}");
                }
            }
        }
    }
}
