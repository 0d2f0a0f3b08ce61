//! What plans are written in: tensors, what they are for and what they hold, and the batches that a program runs on.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::precision::Precision;

/// The widest layer and the longest input row that a spec may ask for; far beyond any binding limit, it keeps sizes
/// from overflowing before the limits are checked.
pub(crate) const MAX_WIDTH: usize = 1 << 24;

/// A tensor of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) usize);

impl TensorId {
    /// Its place among the plan's tensors.
    pub fn index(self) -> usize {
        self.0
    }
}

/// What a tensor's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float; two to a word on the GPU.
    F16,
    /// 32-bit unsigned integer.
    U32,
    /// Byte; four to a word on the GPU.
    U8,
}

impl From<Precision> for Element {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
        }
    }
}

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Trained numbers.
    Parameter,
    /// Gradient of the loss.
    Gradient,
    /// The optimizer's memory.
    OptimizerState,
    /// Running statistics: part of the model, though no gradient moves them.
    Statistics,
    /// Between two steps.
    Activation,
    /// The samples.
    Input,
    /// What the samples should give.
    Target,
    /// Indices of the samples, in the order of the epoch.
    Order,
    /// Losses and right answers, for the host.
    Metric,
}

impl Role {
    /// Whether a run's future depends on what is in it: what checkpoints hold.
    pub fn is_state(self) -> bool {
        match self {
            Self::Parameter | Self::Statistics | Self::OptimizerState => true,
            Self::Gradient | Self::Activation | Self::Input | Self::Target | Self::Order | Self::Metric => false,
        }
    }

    /// Whether it is part of the model: what comes back with the best epoch.
    pub fn is_model(self) -> bool {
        self.is_state() && self != Self::OptimizerState
    }
}

/// One tensor: its name, shape and role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Unique in the plan.
    pub name: String,
    /// Extents, the last one contiguous.
    pub shape: Vec<usize>,
    /// The element type.
    pub element: Element,
    /// What it is for.
    pub role: Role,
}

impl Tensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements that each of R replicas has of it, where its first extent is R; 0 for what all replicas share: the samples,
    /// what they should give, and their order where there is one for all.
    pub(crate) fn share_of_a_replica(&self, replicas: usize) -> usize {
        match self.role {
            Role::Input | Role::Target => 0,
            Role::Order if self.shape.len() == 1 => 0,
            _ => self.len() / replicas.max(1),
        }
    }

    /// Bytes on a device, where tensors are whole words.
    pub fn bytes(&self) -> u64 {
        let bytes = match self.element {
            Element::F32 | Element::U32 => 4,
            Element::F16 => 2,
            Element::U8 => 1,
        };
        // In u128, so that even a shape that no machine can hold is compared with the limits rather than overflow.
        let exact: u128 = self.shape.iter().map(|extent| *extent as u128).product::<u128>() * bytes;
        u64::try_from(exact.next_multiple_of(4)).unwrap_or(u64::MAX)
    }
}

/// Loss sums and right answers, summed on the device over blocks of rows; the host adds the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// (R, slots, blocks, 2)
    pub tensor: TensorId,
    /// Rows of a block.
    pub block_rows: usize,
    /// Whether one more pair, behind the blocks, holds the norm of the step's gradients.
    pub has_norm: bool,
}

impl Metrics {
    /// Pairs of numbers a step, of batches of at most so many rows.
    pub fn pairs(&self, batch: usize) -> usize {
        self.blocks(batch) + usize::from(self.has_norm)
    }

    /// Blocks that so many rows come in.
    pub fn blocks(&self, rows: usize) -> usize {
        rows.div_ceil(self.block_rows)
    }
}

/// One batch of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iteration {
    /// Samples in it, at most B.
    pub rows: u32,
    /// Where in the order it starts.
    pub first: u32,
    /// Where in the metrics its loss goes; executors assign it.
    pub slot: u32,
    /// Optimizer steps so far, this one included.
    pub number: u32,
}

/// Numbers for a tensor.
#[derive(Clone, Copy, Debug)]
pub enum TensorData<'a> {
    /// For f32 tensors, and for f16 tensors, where they are rounded.
    F32(&'a [f32]),
    /// For u32 tensors.
    U32(&'a [u32]),
    /// For u8 tensors.
    U8(&'a [u8]),
}

impl<'a> TensorData<'a> {
    /// Some of the elements.
    pub(crate) fn slice(&self, range: Range<usize>) -> TensorData<'a> {
        match self {
            Self::F32(values) => Self::F32(&values[range]),
            Self::U32(values) => Self::U32(&values[range]),
            Self::U8(values) => Self::U8(&values[range]),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::U8(values) => values.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn element(&self) -> Element {
        match self {
            Self::F32(_) => Element::F32,
            Self::U32(_) => Element::U32,
            Self::U8(_) => Element::U8,
        }
    }

    /// Checks that the data are of the tensor's type and fit into it from `offset` on.
    ///
    /// # Errors
    /// [`Error::Shape`] that names the tensor.
    pub(crate) fn check(&self, tensor: &Tensor, offset: usize) -> Result<()> {
        let end = offset + self.len();
        let fits = match (self.element(), tensor.element) {
            // Two to a word, and words are what devices write.
            (Element::F32, Element::F16) => offset.is_multiple_of(2) && (end.is_multiple_of(2) || end == tensor.len()),
            (own, wanted) => own == wanted,
        };
        if fits && end <= tensor.len() {
            return Ok(());
        }
        Err(Error::Shape {
            operation: "write",
            tensor: tensor.name.clone(),
            wanted: format!("{:?} {}", tensor.element, shape_text(&tensor.shape)),
            got: format!("{} of {:?} at {offset}", self.len(), self.element()),
        })
    }
}

/// Extents as text: `(2, 3)`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("({})", extents.join(", "))
}
