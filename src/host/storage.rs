//! One tensor's numbers in host memory.

use std::borrow::Cow;

use aligned_vec::{AVec, ConstAlign};

use super::compute::Compute;
use super::panels::{panel_index, panel_width};
use super::simd::LINE;
use crate::scalar::Scalar;
use crate::tensor::{Element, Tensor, TensorData};

/// Numbers that start on a cache line: a vector that lies across two costs two accesses.
pub(crate) type Numbers<T> = AVec<T, ConstAlign<LINE>>;

pub(crate) fn zeros<T: Compute>(len: usize) -> Numbers<T> {
    let mut numbers = Numbers::new(LINE);
    // As much as the memory report says, and no more.
    numbers.reserve_exact(len);
    numbers.resize(len, T::zero());
    numbers
}

/// One tensor's numbers.
#[derive(Clone, Debug)]
pub(super) enum Storage<T> {
    Real(Numbers<T>),
    /// Numbers that f16 has: what writes them rounds them.
    Half(Numbers<T>),
    /// Weights (O, I) in panels.
    Panels {
        values: Numbers<T>,
        /// (O, I)
        shape: [usize; 2],
        /// Outputs in a panel.
        width: usize,
    },
    Words(Vec<u32>),
    Bytes(Vec<u8>),
}

/// Bytes that a tensor of T takes here.
pub(crate) fn tensor_bytes<T>(tensor: &Tensor) -> u64 {
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

impl<T: Compute> Storage<T> {
    /// So many elements, zero.
    pub fn new(element: Element, len: usize) -> Self {
        match element {
            Element::F32 => Self::Real(zeros(len)),
            Element::F16 => Self::Half(zeros(len)),
            Element::U32 => Self::Words(vec![0; len]),
            Element::U8 => Self::Bytes(vec![0; len]),
        }
    }

    /// Weights (1, O, I), zero.
    pub fn panels(tensor: &Tensor) -> Self {
        let shape = [tensor.shape[1], tensor.shape[2]];
        Self::Panels { values: zeros(tensor.len()), shape, width: panel_width() }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Real(values) | Self::Half(values) | Self::Panels { values, .. } => values.len(),
            Self::Words(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Real(values) | Self::Half(values) | Self::Panels { values, .. } => values.capacity() * size_of::<T>(),
            Self::Words(values) => values.capacity() * size_of::<u32>(),
            Self::Bytes(values) => values.capacity(),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Real(_) => "f32",
            Self::Half(_) => "f16",
            Self::Panels { .. } => "f32 in panels",
            Self::Words(_) => "u32",
            Self::Bytes(_) => "u8",
        }
    }

    /// An f32 or f16 tensor's numbers. Operations ask for no others of a plan that is sound.
    pub fn real(&self) -> &[T] {
        match self {
            Self::Real(values) | Self::Half(values) => values,
            other => panic!("a tensor of {} is read as numbers", other.name()),
        }
    }

    /// An f32 or f16 tensor's numbers in the plan's order.
    pub fn numbers(&self) -> Cow<'_, [T]> {
        match self {
            Self::Panels { values, shape, width } => {
                let place = |n: usize| panel_index(*shape, *width, [n / shape[1], n % shape[1]]);
                Cow::Owned((0..values.len()).map(|n| values[place(n)]).collect())
            }
            other => Cow::Borrowed(other.real()),
        }
    }

    pub fn real_mut(&mut self) -> &mut Numbers<T> {
        match self {
            Self::Real(values) | Self::Half(values) => values,
            other => panic!("a tensor of {} is written as numbers", other.name()),
        }
    }

    pub fn words(&self) -> &[u32] {
        match self {
            Self::Words(values) => values,
            other => panic!("a tensor of {} is read as u32", other.name()),
        }
    }

    /// Writes elements from `offset` on. The executor has checked type and length.
    pub fn write(&mut self, offset: usize, data: TensorData<'_>) {
        match (self, data) {
            (Self::Real(to), TensorData::F32(from)) => {
                to[offset..offset + from.len()].iter_mut().zip(from).for_each(|(t, f)| *t = T::real(*f));
            }
            (Self::Half(to), TensorData::F32(from)) => {
                to[offset..offset + from.len()].iter_mut().zip(from).for_each(|(t, f)| *t = T::stored_half(f.half()));
            }
            (Self::Panels { values, shape, width }, TensorData::F32(from)) => {
                for (n, value) in (offset..).zip(from) {
                    values[panel_index(*shape, *width, [n / shape[1], n % shape[1]])] = T::real(*value);
                }
            }
            (Self::Words(to), TensorData::U32(from)) => to[offset..offset + from.len()].copy_from_slice(from),
            (Self::Bytes(to), TensorData::U8(from)) => to[offset..offset + from.len()].copy_from_slice(from),
            (to, data) => panic!("{data:?} is written to a tensor of {}", to.name()),
        }
    }
}
