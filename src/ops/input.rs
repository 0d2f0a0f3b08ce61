use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView2, s};

use super::{Argument, Constant, Dense, Param};
use crate::host::{Columns, Compute, GatherKey, Gathered, Memory, ROW_SHARD, in_chunks, matrix, prefetch, vectorized};
use crate::tensor::{Iteration, TensorId};

/// Samples that are asked for ahead of the one that is gathered: they lie anywhere in memory.
const ROWS_AHEAD: usize = 4;
/// The fewest columns of which some may be left out.
const FEWEST_COLUMNS: usize = 64;
/// One of so many numbers is zero at least in samples that are worth a look for columns to leave out.
const SPARSE: usize = 8;

thread_local! {
    /// A sample's pixels that are kept.
    static KEPT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a dense layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// The layer before, f32 or f16 (R, B, I).
    Activations,
    /// The samples themselves, f32 (N, I), through the order.
    SamplesF32,
    /// The samples themselves, u8 (N, I), through the order.
    SamplesU8,
}

impl InputKind {
    /// In plans and in records of tuned kernels; in capitals, WGSL's constant.
    pub fn name(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::SamplesF32 => "samples_f32",
            Self::SamplesU8 => "samples_u8",
        }
    }
}

/// A dense layer's input, gathered and scaled where it is read if it is the samples (`shaders/include/input.wgsl`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Input {
    /// The activations or the samples.
    pub tensor: TensorId,
    /// Sample indices, (R, N) or (N), of samples.
    pub order: Option<TensorId>,
    /// N, or 0 when all replicas share one order.
    pub order_stride: usize,
    /// Which of the three.
    pub kind: InputKind,
    /// Samples are multiplied by it.
    pub scale: f32,
}

impl Input {
    /// The output of the layer before.
    pub fn activations(tensor: TensorId) -> Self {
        Self { tensor, order: None, order_stride: 0, kind: InputKind::Activations, scale: 1.0 }
    }

    /// The order that samples are read through.
    pub fn order(&self) -> TensorId {
        self.order.expect("samples are read through an order")
    }

    pub fn constant(&self) -> (&'static str, Constant) {
        ("INPUT", Constant::named(self.kind.name()))
    }

    pub fn params(&self) -> [(&'static str, Param); 2] {
        [("order_stride", Param::Unsigned(self.order_stride)), ("scale", Param::Float(self.scale))]
    }

    pub fn arguments(&self) -> [Argument; 2] {
        [("input", Some(self.tensor)), ("order", self.order)]
    }

    /// Gathers a batch's samples where the input is samples, for a layer (O, I); with `anew` false only if they are not
    /// there already. Columns that are zero in all of them are left out where that saves time.
    pub fn gather<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, dense: Dense, anew: bool) {
        let outputs = dense.outputs;
        let key = GatherKey { samples: self.tensor, order: self.order, iteration: *iteration, outputs };
        if self.in_place(memory) || (!anew && memory.gathered().key == Some(key)) {
            return;
        }
        let Dense { batch, inputs, .. } = dense;
        let count = iteration.rows as usize;
        let mut gathered = memory.take_gathered();
        let order = &memory.words(self.order())[iteration.first as usize..][..count];
        gathered.make_room(batch * inputs);
        let Gathered { rows, columns, looks, squeezed, .. } = &mut gathered;
        *squeezed = memory.squeezes() && inputs >= FEWEST_COLUMNS && looks.due() && {
            self.look_for_zeros(memory, order, inputs, &mut looks.seen);
            columns.find(&looks.seen[..inputs]);
            looks.found(columns.worthwhile(count, outputs))
        };
        let columns = squeezed.then_some(&*columns);
        in_chunks([&mut rows[..count * inputs]], [ROW_SHARD * inputs], &|shard, [part]| {
            self.gather_rows(memory, &order[shard * ROW_SHARD..], columns, inputs, part);
        });
        memory.put_gathered(key, gathered);
    }

    /// Whether rows are read where they lie: those of the layer before, and those of a caller who wants all of them as they are.
    fn in_place<T: Compute>(&self, memory: &Memory<T>) -> bool {
        self.kind == InputKind::Activations || (self.scale == 1.0 && memory.is_lent(self.tensor))
    }

    /// Marks the columns of a batch in `seen` (shards, I) in which any number is not zero, in the first I of it.
    fn look_for_zeros<T: Compute>(&self, memory: &Memory<T>, order: &[u32], inputs: usize, seen: &mut Vec<u8>) {
        seen.clear();
        seen.reserve_exact(order.len().div_ceil(ROW_SHARD) * inputs);
        seen.resize(order.len().div_ceil(ROW_SHARD) * inputs, 0);
        in_chunks([&mut *seen], [inputs], &|shard, [seen]| {
            let order = &order[shard * ROW_SHARD..];
            let samples = order[..ROW_SHARD.min(order.len())].iter();
            vectorized(
                #[inline(always)]
                || {
                    for (b, n) in samples.enumerate() {
                        self.ask_for(memory, order.get(b + ROWS_AHEAD), inputs);
                        let source = *n as usize * inputs..(*n as usize + 1) * inputs;
                        match self.kind {
                            InputKind::SamplesU8 => {
                                seen.iter_mut()
                                    .zip(&memory.bytes(self.tensor)[source])
                                    .for_each(|(seen, x)| *seen |= x);
                            }
                            _ => {
                                let values = memory.real(self.tensor)[source].iter();
                                seen.iter_mut().zip(values).for_each(|(s, x)| *s |= u8::from(*x != T::zero()));
                            }
                        }
                        if b == 0 && seen.iter().map(|seen| usize::from(*seen == 0)).sum::<usize>() * SPARSE < inputs {
                            return seen.fill(1);
                        }
                    }
                },
            );
        });
        let (first, others) = seen.split_at_mut(inputs);
        for own in others.chunks(inputs) {
            first.iter_mut().zip(own).for_each(|(seen, own)| *seen |= own);
        }
    }

    /// Asks for a sample that will be read soon.
    #[inline(always)]
    fn ask_for<T: Compute>(&self, memory: &Memory<T>, sample: Option<&u32>, inputs: usize) {
        let Some(n) = sample else { return };
        let source = *n as usize * inputs..(*n as usize + 1) * inputs;
        match self.kind {
            InputKind::SamplesU8 => prefetch(&memory.bytes(self.tensor)[source]),
            _ => prefetch(&memory.real(self.tensor)[source]),
        }
    }

    /// One row after the other, in the order given: all columns, or these at its beginning and zeros up to a whole vector.
    pub(super) fn gather_rows<T: Compute>(
        &self,
        memory: &Memory<T>,
        order: &[u32],
        columns: Option<&Columns>,
        inputs: usize,
        into: &mut [T],
    ) {
        let scale = T::real(self.scale);
        let order = &order[..into.len() / inputs];
        let width = columns.map_or(inputs, Columns::padded);
        KEPT.with_borrow_mut(|kept| {
            kept.resize(inputs, 0);
            vectorized(
                #[inline(always)]
                || {
                    for (b, (row, n)) in into.chunks_mut(inputs).zip(order).enumerate() {
                        self.ask_for(memory, order.get(b + ROWS_AHEAD), inputs);
                        let source = *n as usize * inputs..(*n as usize + 1) * inputs;
                        let row = &mut row[..width];
                        match self.kind {
                            InputKind::SamplesU8 => {
                                let pixels = &memory.bytes(self.tensor)[source];
                                let pixels = columns.map_or(pixels, |columns| columns.squeeze(pixels, 0, kept));
                                row.iter_mut().zip(pixels).for_each(|(to, x)| *to = T::real(f32::from(*x)) * scale);
                            }
                            _ => {
                                let values = &memory.real(self.tensor)[source];
                                match columns {
                                    Some(columns) => _ = columns.squeeze(values, T::zero(), row),
                                    None => row.copy_from_slice(values),
                                }
                                row.iter_mut().for_each(|x| *x = *x * scale);
                            }
                        }
                    }
                },
            );
        });
    }

    /// Rows `rows` of the batch, (rows, I), and which columns of I they are if not all, with zeros behind up to a whole
    /// vector; samples have been gathered.
    pub fn rows<'a, T: Compute>(
        &self,
        memory: &'a Memory<T>,
        inputs: usize,
        rows: Range<usize>,
    ) -> (ArrayView2<'a, T>, Option<&'a Columns>) {
        let own = rows.start * inputs..rows.end * inputs;
        if self.in_place(memory) {
            return (matrix(&memory.real(self.tensor)[own], rows.len(), inputs), None);
        }
        let gathered = memory.gathered();
        let all = matrix(&gathered.rows[own], rows.len(), inputs);
        match gathered.squeezed {
            true => (all.slice_move(s![.., ..gathered.columns.padded()]), Some(&gathered.columns)),
            false => (all, None),
        }
    }
}
