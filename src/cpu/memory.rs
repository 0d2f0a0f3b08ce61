use std::ops::{Deref, DerefMut, Range};
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayView2;

use aligned_vec::{AVec, ConstAlign};

use super::simd::LINE;
use crate::executor::TensorData;
use crate::ops::Input;
use crate::plan::{Element, Iteration, Plan, Tensor, TensorId};
use crate::scalar::Scalar;

/// Numbers that start on a cache line: a vector that lies across two costs two accesses.
pub(crate) type Numbers<T> = AVec<T, ConstAlign<LINE>>;

fn zeros<T: Scalar>(len: usize) -> Numbers<T> {
    let mut numbers = Numbers::new(LINE);
    // As much as the memory report says, and no more.
    numbers.reserve_exact(len);
    numbers.resize(len, T::zero());
    numbers
}

/// One tensor's numbers.
#[derive(Clone, Debug)]
enum Storage<T> {
    Real(Numbers<T>),
    /// Numbers that f16 has: what writes them rounds them.
    Half(Numbers<T>),
    Words(Vec<u32>),
    Bytes(Vec<u8>),
}

/// The tensors of a plan in host memory, of all replicas or of those in sight.
#[derive(Debug)]
pub(crate) struct Memory<T> {
    tensors: Vec<Storage<T>>,
    /// Elements that each replica has of a tensor; 0 where all share it.
    shares: Vec<usize>,
    /// The replicas that steps see, if not all.
    sight: Option<Range<usize>>,
    /// The samples of one batch, gathered for the first layer's forward step and used again by its weight gradient.
    gathered: Gathered<T>,
    /// Buffers that tasks borrow, so that a step allocates nothing once all have been used.
    scratch: Mutex<Vec<Numbers<T>>>,
}

/// What decides gathered rows: the input, the batch, and (R, B, I).
pub(crate) type GatherKey = (Input, Iteration, [usize; 3]);

/// Rows gathered from samples, (R, B, I), and which ones.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    pub key: Option<GatherKey>,
    pub rows: Numbers<T>,
}

/// A tensor that was taken out: the numbers of the replicas in sight.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    numbers: Numbers<T>,
    seen: Range<usize>,
}

impl<T> Deref for Taken<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[self.seen.clone()]
    }
}

impl<T> DerefMut for Taken<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.numbers[self.seen.clone()]
    }
}

/// Bytes that a tensor of T takes here.
pub(super) fn tensor_bytes<T>(tensor: &Tensor) -> u64 {
    let element = match tensor.element {
        // What is stored as f16 has the room of the others here.
        Element::F32 | Element::F16 => size_of::<T>(),
        Element::U32 => size_of::<u32>(),
        Element::U8 => size_of::<u8>(),
    };
    // In u128, for shapes that no machine can hold.
    let exact = tensor.shape.iter().fold(element as u128, |product, extent| product.saturating_mul(*extent as u128));
    u64::try_from(exact).unwrap_or(u64::MAX)
}

impl<T: Scalar> Memory<T> {
    /// All tensors of `plan`, zero.
    pub fn new(plan: &Plan) -> Self {
        let tensors = plan.tensors.iter().map(|tensor| match tensor.element {
            Element::F32 => Storage::Real(zeros(tensor.len())),
            Element::F16 => Storage::Half(zeros(tensor.len())),
            Element::U32 => Storage::Words(vec![0; tensor.len()]),
            Element::U8 => Storage::Bytes(vec![0; tensor.len()]),
        });
        let gathered = Gathered { key: None, rows: zeros(0) };
        let shares = plan.tensors.iter().map(|tensor| plan.share_of_a_replica(tensor)).collect();
        Self { tensors: tensors.collect(), shares, sight: None, gathered, scratch: Mutex::default() }
    }

    /// Lets steps see these replicas only, or all.
    pub fn look_at(&mut self, replicas: Option<Range<usize>>) {
        self.gathered.key = None;
        self.sight = replicas;
    }

    /// Which of a tensor's `len` elements are in sight.
    fn seen(&self, id: TensorId, len: usize) -> Range<usize> {
        match (&self.sight, self.shares[id.index()]) {
            (Some(replicas), share) if share > 0 => replicas.start * share..replicas.end * share,
            _ => 0..len,
        }
    }

    /// Whether a tensor's numbers are stored as f16.
    pub fn is_half(&self, id: TensorId) -> bool {
        matches!(self.tensors[id.index()], Storage::Half(_))
    }

    /// An f32 or f16 tensor's numbers; empty for tensors of other types, which plans never ask for.
    pub fn real(&self, id: TensorId) -> &[T] {
        match &self.tensors[id.index()] {
            Storage::Real(values) | Storage::Half(values) => &values[self.seen(id, values.len())],
            _ => &[],
        }
    }

    pub fn real_mut(&mut self, id: TensorId) -> &mut [T] {
        let seen = self.seen(id, self.len(id));
        match &mut self.tensors[id.index()] {
            Storage::Real(values) | Storage::Half(values) => &mut values[seen],
            _ => &mut [],
        }
    }

    /// A u32 tensor's numbers.
    pub fn words(&self, id: TensorId) -> &[u32] {
        match &self.tensors[id.index()] {
            Storage::Words(values) => &values[self.seen(id, values.len())],
            _ => &[],
        }
    }

    pub fn words_mut(&mut self, id: TensorId) -> &mut [u32] {
        let seen = self.seen(id, self.len(id));
        match &mut self.tensors[id.index()] {
            Storage::Words(values) => &mut values[seen],
            _ => &mut [],
        }
    }

    /// A u8 tensor's numbers.
    pub fn bytes(&self, id: TensorId) -> &[u8] {
        match &self.tensors[id.index()] {
            Storage::Bytes(values) => values,
            _ => &[],
        }
    }

    /// Takes an f32 or f16 tensor out, to be written while others are read; [`Memory::put`] brings it back.
    pub fn take(&mut self, id: TensorId) -> Taken<T> {
        let seen = self.seen(id, self.len(id));
        match &mut self.tensors[id.index()] {
            Storage::Real(values) | Storage::Half(values) => {
                Taken { numbers: std::mem::replace(values, zeros(0)), seen }
            }
            _ => Taken { numbers: zeros(0), seen: 0..0 },
        }
    }

    /// Brings back what [`Memory::take`] took.
    pub fn put(&mut self, id: TensorId, values: Taken<T>) {
        match &mut self.tensors[id.index()] {
            Storage::Half(place) => *place = values.numbers,
            place => *place = Storage::Real(values.numbers),
        }
    }

    /// Elements of a tensor, in sight or not.
    fn len(&self, id: TensorId) -> usize {
        match &self.tensors[id.index()] {
            Storage::Real(values) | Storage::Half(values) => values.len(),
            Storage::Words(values) => values.len(),
            Storage::Bytes(values) => values.len(),
        }
    }

    /// Bytes of the tensors, and of the buffers that steps have asked for so far.
    pub fn held(&self) -> [u64; 2] {
        let tensors = self.tensors.iter().map(|tensor| match tensor {
            Storage::Real(values) | Storage::Half(values) => values.capacity() * size_of::<T>(),
            Storage::Words(values) => values.capacity() * size_of::<u32>(),
            Storage::Bytes(values) => values.capacity(),
        });
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let borrowed = scratch.iter().map(Numbers::capacity).chain([self.gathered.rows.capacity()]);
        [tensors.sum::<usize>(), borrowed.sum::<usize>() * size_of::<T>()].map(|bytes| bytes as u64)
    }

    /// What was gathered last.
    pub fn gathered(&self) -> &Gathered<T> {
        &self.gathered
    }

    /// Takes the gathered rows out, to be filled; [`Memory::put_gathered`] brings them back.
    pub fn take_gathered(&mut self) -> Numbers<T> {
        self.gathered.key = None;
        std::mem::replace(&mut self.gathered.rows, zeros(0))
    }

    /// Brings back what [`Memory::take_gathered`] took, filled for `key`.
    pub fn put_gathered(&mut self, key: GatherKey, rows: Numbers<T>) {
        self.gathered = Gathered { key: Some(key), rows };
    }

    /// Lends `body` a buffer of `len` numbers, of any value.
    pub fn with_scratch<R>(&self, len: usize, body: impl FnOnce(&mut [T]) -> R) -> R {
        let lock = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = lock().pop().unwrap_or_else(|| zeros(0));
        if buffer.len() < len {
            buffer.reserve_exact(len - buffer.len());
            buffer.resize(len, T::zero());
        }
        let result = body(&mut buffer[..len]);
        lock().push(buffer);
        result
    }

    /// Writes elements from `offset` on. The executor has checked type and length.
    pub fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) {
        self.gathered.key = None;
        match (&mut self.tensors[id.index()], data) {
            (Storage::Real(to), TensorData::F32(from)) => {
                to[offset..offset + from.len()].iter_mut().zip(from).for_each(|(t, f)| *t = T::real(*f));
            }
            (Storage::Half(to), TensorData::F32(from)) => {
                to[offset..offset + from.len()].iter_mut().zip(from).for_each(|(t, f)| *t = T::stored_half(f.half()));
            }
            (Storage::Words(to), TensorData::U32(from)) => to[offset..offset + from.len()].copy_from_slice(from),
            (Storage::Bytes(to), TensorData::U8(from)) => to[offset..offset + from.len()].copy_from_slice(from),
            _ => {}
        }
    }
}

/// The first `rows * columns` numbers as a matrix. The plan's shapes make the length right; were it wrong, the slice
/// index would stop the program rather than give a wrong number.
pub(crate) fn matrix<T>(values: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), &values[..rows * columns]).expect("the slice has just this length")
}
