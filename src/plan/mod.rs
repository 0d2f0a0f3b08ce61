//! Plans: what a spec means for one batch size and one number of replicas. Plain data that both executors interpret.

mod assemble;
mod build;
mod forward;
mod judge;
mod limits;
mod memory;
mod print;
mod ranking;
mod tail;

pub(crate) use assemble::Assembly;
pub(crate) use build::{Capacity, PlanRequest};
pub use memory::{MemoryLimits, MemoryReport, MemoryUse, TensorSize};
pub(crate) use ranking::{RankingTensors, ranking};

use crate::ops::optimizer::{Optimizer, Written};
use crate::ops::{Hyper, Op, Operation, TargetKind};
use crate::spec::{Pace, Precision, Replica};

/// A tensor of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(usize);

impl TensorId {
    /// Its place in [`Plan::tensors`].
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

/// One operation with its arguments, under a name.
#[derive(Clone, Debug)]
pub struct Step {
    /// `layer 0 forward`
    pub label: String,
    pub(crate) op: Op,
}

impl Step {
    /// The stem of its kernel family.
    pub fn operation(&self) -> &'static str {
        self.op.shader().stem
    }
}

/// The steps for one batch, and the tensors that the host fills for them.
#[derive(Clone, Debug)]
pub struct Program {
    /// B, rows a batch has at most.
    pub batch: usize,
    /// In this order.
    pub steps: Vec<Step>,
    /// The samples, (N, I).
    pub samples: TensorId,
    /// Their targets, u32 (N) or f32 (N, O).
    pub targets: TensorId,
    /// What classes and samples count, f32 (C + N), where they do not all count the same.
    pub weights: Option<TensorId>,
    /// Which samples a batch takes, (R, N) or (N).
    pub order: TensorId,
    /// Where its losses go, if it measures one.
    pub metrics: Option<Metrics>,
    /// (R, B, O): what the last layer gives, unless the step that needs it keeps it to itself.
    pub outputs: Option<TensorId>,
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

/// Where metrics beyond the loss are counted and summed, over all batches since they were zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judgement {
    /// Confusion matrix u32 (R, C, C), ranks u32 (R, C), and scores (R, S) of models of two classes.
    pub counts: Option<[TensorId; 3]>,
    /// (R, blocks, O, 2), written and not added to.
    pub sums: Option<TensorId>,
}

/// Which of a plan's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramId {
    /// Forward, loss, backward, update.
    Train,
    /// Forward, loss.
    Evaluate,
    /// Forward, with the probabilities that the loss implies.
    Predict,
    /// Forward, loss, metrics. Its first steps are those of evaluation.
    Judge,
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

/// One dense layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct LayerTensors {
    /// (R, O, I)
    pub weight: TensorId,
    /// (R, O)
    pub bias: TensorId,
    /// (R, S, O, I)
    pub weight_state: TensorId,
    /// (R, S, O)
    pub bias_state: TensorId,
    /// (R, O, I) and (R, O), of plans that keep gradients.
    pub gradient: Option<[TensorId; 2]>,
    /// Those of its norm.
    pub norm: Option<NormTensors>,
}

/// One norm's parameters and statistics, each as first and second of a pair for every unit.
#[derive(Clone, Copy, Debug)]
pub struct NormTensors {
    /// Scale and shift, (R, 2, O).
    pub scales: TensorId,
    /// (R, S, 2, O)
    pub state: TensorId,
    /// (R, 2, O)
    pub gradient: TensorId,
    /// Of batch norm: running mean and variance, (R, 2, O).
    pub running: Option<TensorId>,
}

/// What both executors run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// The R replicas.
    pub replicas: Vec<Replica>,
    /// (R): what each step's hyper-parameters are computed from.
    pub(crate) written: Vec<Written>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Where the fit that runs it stands, for schedules.
    pub pace: Pace,
    /// The dense layers' parameters.
    pub layers: Vec<LayerTensors>,
    /// What the targets are.
    pub targets: TargetKind,
    /// Steps that the metrics have room for: the most between two reads.
    pub slots: usize,
    pub(crate) train: Program,
    pub(crate) evaluate: Program,
    pub(crate) predict: Program,
    pub(crate) judge: Program,
    pub(crate) judgement: Judgement,
}

impl Plan {
    /// One of its programs.
    pub fn program(&self, id: ProgramId) -> &Program {
        match id {
            ProgramId::Train => &self.train,
            ProgramId::Evaluate => &self.evaluate,
            ProgramId::Predict => &self.predict,
            ProgramId::Judge => &self.judge,
        }
    }

    /// A tensor's description.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// Every tensor's id.
    pub fn ids(&self) -> impl Iterator<Item = TensorId> + use<> {
        (0..self.tensors.len()).map(TensorId)
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().fold(0, |total, tensor| total.saturating_add(tensor.bytes()))
    }

    /// Elements that each replica has of a tensor, whose first extent is R then; 0 for what all replicas share: the samples,
    /// what they should give, and their order where there is one for all.
    pub(crate) fn share_of_a_replica(&self, tensor: &Tensor) -> usize {
        match tensor.role {
            Role::Input | Role::Target => 0,
            Role::Order if tensor.shape.len() == 1 => 0,
            _ => tensor.len() / self.replicas.len().max(1),
        }
    }

    /// The replicas' hyper-parameters in an iteration, whose rows' weights have these sums (R), or count 1 each.
    pub(crate) fn hypers<'a>(&'a self, iteration: Iteration, weights: &'a [f64]) -> impl Iterator<Item = Hyper> + 'a {
        self.replicas.iter().zip(&self.written).enumerate().map(move |(r, (replica, written))| {
            let rate = replica.rate_from(written.learning_rate, r, &self.pace, iteration.number);
            let hyper = Hyper::at(replica, written, self.optimizer, &iteration, rate);
            weights.get(r).map_or(hyper, |weight| hyper.with_weight(*weight))
        })
    }
}
