use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::ArrayView2;

use super::compute::Compute;
use super::gathered::{GatherKey, Gathered};
use super::panels::Panels;
use super::storage::{Numbers, Storage, zeros};
use crate::tensor::{Role, Tensor, TensorData, TensorId};

/// Where a plan's tensors lie: which of them each replica has for itself, and which are shared.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// R
    pub replicas: usize,
    /// Of a plan that predicts and nothing else, for one model: threads that each predict some of the rows. They share all
    /// but activations.
    pub lanes: Option<usize>,
    /// Weights (R, O, I) that are stored in panels.
    pub in_panels: Vec<TensorId>,
    /// Whether columns of samples that are zero throughout a batch are left out.
    pub squeezes: bool,
}

impl Layout {
    /// Elements that each replica or lane has of a tensor; 0 for what is shared.
    fn own_len(&self, tensor: &Tensor) -> usize {
        match self.lanes {
            Some(_) if tensor.role != Role::Activation => 0,
            Some(_) => tensor.len(),
            None => tensor.share_of_a_replica(self.replicas),
        }
    }
}

/// What a plan's replicas share: the samples, what they should give and, where there is one for all, their order; and the
/// buffers that steps borrow.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    /// By the tensor's number; without elements where each replica has its own.
    tensors: Vec<Storage<T>>,
    /// Buffers that tasks borrow, so that a step allocates nothing once all have been used.
    scratch: Mutex<Vec<Numbers<T>>>,
    /// Whether columns of samples that are zero throughout a batch are left out.
    squeezes: bool,
    /// Rooms for a batch's samples, of which each replica that is at work has one.
    gathered: Mutex<Vec<Gathered<T>>>,
}

/// The tensors that one replica has for itself, so that replicas can be worked on side by side.
#[derive(Debug)]
pub(crate) struct Own<T> {
    /// By the tensor's number; without elements where all replicas share it.
    tensors: Vec<Storage<T>>,
}

/// The tensors of one replica, as steps see them: shapes begin with R = 1 where the plan's have R.
#[derive(Debug)]
pub(crate) struct Memory<'a, T: Compute> {
    own: &'a mut Own<T>,
    shared: &'a Shared<T>,
    /// Samples that lie with the caller, in place of the tensor's.
    lent: Option<(TensorId, &'a [T])>,
    /// The samples of one batch, gathered for the first layer's forward step and used again by its weight gradient.
    gathered: Gathered<T>,
}

impl<T: Compute> Shared<T> {
    pub fn new(tensors: &[Tensor], layout: &Layout) -> Self {
        let tensors = tensors.iter().enumerate().map(|(index, tensor)| {
            match layout.in_panels.iter().any(|id| id.index() == index) {
                true => Storage::panels(tensor),
                false if layout.own_len(tensor) > 0 => Storage::new(tensor.element, 0),
                false => Storage::new(tensor.element, tensor.len()),
            }
        });
        Self {
            tensors: tensors.collect(),
            squeezes: layout.squeezes,
            scratch: Mutex::default(),
            gathered: Mutex::default(),
        }
    }

    /// Leaves out no columns, for tests that compare.
    #[cfg(test)]
    pub fn keep_all_columns(&mut self) {
        self.squeezes = false;
    }

    /// Whether a step has left out columns, the last that read samples of one replica.
    #[cfg(test)]
    pub fn leaves_out_columns(&self) -> bool {
        lock(&self.gathered).iter().any(|gathered| gathered.squeezed)
    }

    /// Whether it has this tensor.
    pub fn has(&self, id: TensorId) -> bool {
        self.tensors[id.index()].len() > 0
    }

    /// A tensor's numbers in the plan's order.
    pub fn numbers(&self, id: TensorId) -> Cow<'_, [T]> {
        self.tensors[id.index()].numbers()
    }

    pub fn words(&self, id: TensorId) -> &[u32] {
        self.tensors[id.index()].words()
    }

    pub fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) {
        self.tensors[id.index()].write(offset, data);
    }

    /// Bytes of the tensors, and of the buffers that steps have asked for so far.
    pub fn held(&self) -> [u64; 2] {
        let tensors = self.tensors.iter().map(Storage::bytes).sum::<usize>();
        let scratch = lock(&self.scratch).iter().map(Numbers::capacity).sum::<usize>();
        let gathered = lock(&self.gathered);
        let rows = gathered.iter().map(|gathered| gathered.rows.capacity()).sum::<usize>();
        let seen = gathered.iter().map(|gathered| gathered.looks.seen.capacity()).sum::<usize>();
        let borrowed = (scratch + rows) * size_of::<T>() + seen;
        [tensors, borrowed].map(|bytes| bytes as u64)
    }
}

impl<T: Compute> Own<T> {
    pub fn new(tensors: &[Tensor], layout: &Layout) -> Self {
        let tensors = tensors.iter().map(|tensor| Storage::new(tensor.element, layout.own_len(tensor)));
        Self { tensors: tensors.collect() }
    }

    /// Elements that it has of a tensor.
    pub fn len(&self, id: TensorId) -> usize {
        self.tensors[id.index()].len()
    }

    pub fn real(&self, id: TensorId) -> &[T] {
        self.tensors[id.index()].real()
    }

    pub fn real_mut(&mut self, id: TensorId) -> &mut [T] {
        self.tensors[id.index()].real_mut()
    }

    pub fn words(&self, id: TensorId) -> &[u32] {
        self.tensors[id.index()].words()
    }

    pub fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) {
        self.tensors[id.index()].write(offset, data);
    }

    /// Bytes of the tensors.
    pub fn held(&self) -> u64 {
        self.tensors.iter().map(Storage::bytes).sum::<usize>() as u64
    }
}

/// Weights, as products want them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights<'a, T> {
    /// (I, O)
    Matrix(ArrayView2<'a, T>),
    Panels(Panels<'a, T>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Compute> Drop for Memory<'_, T> {
    fn drop(&mut self) {
        lock(&self.shared.gathered).push(self.take_gathered());
    }
}

impl<'a, T: Compute> Memory<'a, T> {
    pub(crate) fn new(own: &'a mut Own<T>, shared: &'a Shared<T>) -> Self {
        let gathered = lock(&shared.gathered).pop().unwrap_or_else(Gathered::new);
        Self { own, shared, lent: None, gathered }
    }

    /// Takes samples from the caller in place of those of a tensor.
    pub fn lend(&mut self, id: TensorId, samples: &'a [T]) {
        self.lent = Some((id, samples));
        self.gathered.key = None;
    }

    /// A tensor, from the place that has its elements.
    fn tensor(&self, id: TensorId) -> &Storage<T> {
        if self.shared.has(id) { &self.shared.tensors[id.index()] } else { &self.own.tensors[id.index()] }
    }

    /// Whether columns of samples that are zero throughout a batch are left out.
    pub fn squeezes(&self) -> bool {
        self.shared.squeezes
    }

    /// Whether a tensor's numbers are stored as f16.
    pub fn is_half(&self, id: TensorId) -> bool {
        matches!(self.own.tensors[id.index()], Storage::Half(_))
    }

    /// An f32 or f16 tensor's numbers.
    pub fn real(&self, id: TensorId) -> &[T] {
        match self.lent {
            Some((lent, samples)) if lent == id => samples,
            _ => self.tensor(id).real(),
        }
    }

    /// Whether a tensor's numbers are the caller's.
    pub fn is_lent(&self, id: TensorId) -> bool {
        self.lent.is_some_and(|(lent, _)| lent == id)
    }

    /// Weights (O, I), for products with (I, O).
    pub fn weights(&self, id: TensorId, [outputs, inputs]: [usize; 2]) -> Weights<'_, T> {
        match self.tensor(id) {
            Storage::Panels { values, .. } => Weights::Panels(Panels { values, inputs, outputs }),
            other => Weights::Matrix(matrix(other.real(), outputs, inputs).reversed_axes()),
        }
    }

    /// The same, to be written: no step writes what replicas share.
    pub fn real_mut(&mut self, id: TensorId) -> &mut [T] {
        debug_assert!(!self.shared.has(id));
        self.own.real_mut(id)
    }

    /// A u32 tensor's numbers.
    pub fn words(&self, id: TensorId) -> &[u32] {
        self.tensor(id).words()
    }

    pub fn words_mut(&mut self, id: TensorId) -> &mut [u32] {
        debug_assert!(!self.shared.has(id));
        match &mut self.own.tensors[id.index()] {
            Storage::Words(values) => values,
            other => panic!("a tensor of {} is written as u32", other.name()),
        }
    }

    /// A u8 tensor's numbers.
    pub fn bytes(&self, id: TensorId) -> &[u8] {
        match self.tensor(id) {
            Storage::Bytes(values) => values,
            other => panic!("a tensor of {} is read as u8", other.name()),
        }
    }

    /// Takes an f32 or f16 tensor out, to be written while others are read; [`Memory::put`] brings it back.
    pub fn take(&mut self, id: TensorId) -> Numbers<T> {
        debug_assert!(!self.shared.has(id));
        std::mem::replace(self.own.tensors[id.index()].real_mut(), zeros(0))
    }

    /// Brings back what [`Memory::take`] took.
    pub fn put(&mut self, id: TensorId, values: Numbers<T>) {
        *self.own.tensors[id.index()].real_mut() = values;
    }

    /// What was gathered last.
    pub fn gathered(&self) -> &Gathered<T> {
        &self.gathered
    }

    /// Takes the gathered rows out, to be filled; [`Memory::put_gathered`] brings them back.
    pub fn take_gathered(&mut self) -> Gathered<T> {
        self.gathered.key = None;
        std::mem::replace(&mut self.gathered, Gathered::new())
    }

    /// Brings back what [`Memory::take_gathered`] took, filled for `key`.
    pub fn put_gathered(&mut self, key: GatherKey, gathered: Gathered<T>) {
        self.gathered = Gathered { key: Some(key), ..gathered };
    }

    /// Lends `body` a buffer of `len` numbers, of any value.
    pub fn with_scratch<R>(&self, len: usize, body: impl FnOnce(&mut [T]) -> R) -> R {
        let mut buffer = lock(&self.shared.scratch).pop().unwrap_or_else(|| zeros(0));
        if buffer.len() < len {
            buffer.reserve_exact(len - buffer.len());
            buffer.resize(len, T::zero());
        }
        let result = body(&mut buffer[..len]);
        lock(&self.shared.scratch).push(buffer);
        result
    }
}

/// The first `rows * columns` numbers as a matrix. The plan's shapes make the length right; were it wrong, the slice
/// index would stop the program rather than give a wrong number.
pub(crate) fn matrix<T>(values: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), &values[..rows * columns]).expect("the slice has just this length")
}
