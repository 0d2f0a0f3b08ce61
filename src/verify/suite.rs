//! Suites: many cases of one kernel family as one plan, each case a step with tensors of its own and made-up numbers.
//! One plan, so that a pipeline is compiled once for all the cases that share it.

use crate::error::Result;
use crate::executor::Executor;
use crate::ops::optimizer::{Optimizer, SLOTS as STATES};
use crate::ops::{Activation, NO_KEY, Op, score_key};
use crate::plan::{Assembly, HyperSource, Plan, ProgramId};
use crate::random::{Purpose, Stream, epoch_order};
use crate::schedule::Schedule;
use crate::spec::Replica;
use crate::tensor::TensorData;
use crate::tensor::{Element, Iteration, Role, TensorId};

/// Steps that the cases' metrics have room for, and the one they use: not the first, nor the last.
pub(super) const SLOTS: usize = 3;
const SLOT: u32 = 1;
/// Optimizer steps so far in every case; its bias corrections are far from 1.
const NUMBER: u32 = 3;

/// What a tensor is filled with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill {
    /// f32, signed, of a mean other than zero.
    Signed,
    /// f32, what this activation gives.
    Activated(Activation),
    /// f32 optimizer state (R, S, ...), of whose slots some are squares, never negative.
    State([bool; STATES]),
    /// u8.
    Pixels,
    /// u32 below this.
    Labels(u32),
    /// u32 (..., N): in each row the indices 0 to `n`, permuted, over and over.
    Orders(usize),
    /// u32: bits of f32, many of them equal, and some of zeros of both signs, infinities and what is no number.
    Scores,
    /// u32 (..., N): in each row keys of such scores, and of no sample, in sorted runs of so many.
    Keys(usize),
    /// u32 not far below what a word holds.
    Full,
}

/// A tensor's made-up numbers.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    F32(Vec<f32>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

impl Numbers {
    /// As executors take them.
    pub fn data(&self) -> TensorData<'_> {
        match self {
            Self::F32(values) => TensorData::F32(values),
            Self::U32(values) => TensorData::U32(values),
            Self::U8(values) => TensorData::U8(values),
        }
    }
}

/// One case: a step of the suite's plan.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Sizes and settings, to tell it by.
    pub label: String,
    /// Rows, and where they start.
    pub iteration: Iteration,
}

/// Cases that share a plan.
#[derive(Debug)]
pub(super) struct Suite {
    pub kernel: &'static str,
    /// What the cases have in common.
    pub what: String,
    pub plan: Plan,
    pub numbers: Vec<Numbers>,
    pub cases: Vec<Case>,
}

impl Suite {
    /// Writes all tensors.
    pub fn fill(&self, executor: &mut dyn Executor) -> Result<()> {
        self.plan.ids().zip(&self.numbers).try_for_each(|(id, numbers)| executor.write(id, 0, numbers.data()))
    }
}

/// A suite in the making.
pub(super) struct SuiteBuilder {
    kernel: &'static str,
    replicas: usize,
    seed: u64,
    element: Element,
    assembly: Assembly,
    numbers: Vec<Numbers>,
    cases: Vec<Case>,
}

impl SuiteBuilder {
    pub fn new(kernel: &'static str, replicas: usize, seed: u64) -> Self {
        let (numbers, cases) = (Vec::new(), Vec::new());
        Self { kernel, replicas, seed, element: Element::F32, assembly: Assembly::default(), numbers, cases }
    }

    /// The same with what layers hand on to each other stored so.
    pub fn storing(self, element: Element) -> Self {
        Self { element, ..self }
    }

    /// What layers hand on to each other is stored as.
    pub fn element(&self) -> Element {
        self.element
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// The number of the next case.
    pub fn next(&self) -> usize {
        self.cases.len()
    }

    /// Adds a tensor with its numbers, of which each replica has its own unless it is the one order of all.
    pub fn tensor(&mut self, name: &str, shape: &[usize], fill: Fill) -> TensorId {
        let role = match fill {
            Fill::State(_) => Role::OptimizerState,
            Fill::Orders(_) => Role::Order,
            Fill::Full => Role::Metric,
            _ => Role::Activation,
        };
        self.add(name, shape, fill, role)
    }

    /// Adds a tensor of samples or of what they should give, which all replicas share.
    pub fn shared(&mut self, name: &str, shape: &[usize], fill: Fill) -> TensorId {
        self.add(name, shape, fill, Role::Input)
    }

    fn add(&mut self, name: &str, shape: &[usize], fill: Fill, role: Role) -> TensorId {
        let element = match fill {
            Fill::Signed | Fill::Activated(_) | Fill::State(_) => Element::F32,
            Fill::Pixels => Element::U8,
            Fill::Labels(_) | Fill::Orders(_) | Fill::Scores | Fill::Keys(_) | Fill::Full => Element::U32,
        };
        let index = self.numbers.len() as u32;
        self.numbers.push(numbers(shape, fill, self.seed, index));
        self.assembly.tensor(format!("case {} {name}", self.next()), shape, element, role)
    }

    /// Adds a tensor of what layers hand on to each other.
    pub fn stored(&mut self, name: &str, shape: &[usize], fill: Fill) -> TensorId {
        let id = self.tensor(name, shape, fill);
        self.assembly.store(id, self.element);
        id
    }

    /// Ends a case.
    pub fn case(&mut self, label: String, op: Op, rows: usize, first: usize) {
        self.assembly.step(label.clone(), op);
        let iteration = Iteration { rows: rows as u32, first: first as u32, slot: SLOT, number: NUMBER };
        self.cases.push(Case { label, iteration });
    }

    /// Ends the suite.
    pub fn suite(self, what: &str, optimizer: Optimizer) -> Suite {
        let stored = if self.element == Element::F32 { "" } else { ", f16" };
        let what = format!("R={} {what}{stored}", self.replicas);
        let hyper = HyperSource::new(replicas(self.replicas), optimizer);
        let plan = self.assembly.plan(ProgramId::Steps, self.replicas, Some(hyper), SLOTS);
        Suite { kernel: self.kernel, what, plan, numbers: self.numbers, cases: self.cases }
    }
}

/// Replicas of which no two have a hyper-parameter in common.
pub(super) fn replicas(count: usize) -> Vec<Replica> {
    let replica = |r: usize| {
        let number = (r + 1) as f64;
        Replica {
            seed: r as u64,
            learning_rate: 0.02 * number,
            weight_decay: 0.01 * number,
            momentum: 0.95 - 0.1 * number,
            l1: 0.005 * number,
            dropout: None,
            schedule: Schedule::Constant,
        }
    };
    (0..count).map(replica).collect()
}

/// The same for an optimizer, some of which have no momentum.
pub(super) fn replicas_for(optimizer: Optimizer, count: usize) -> Vec<Replica> {
    let mut replicas = replicas(count);
    for replica in replicas.iter_mut().filter(|replica| optimizer.validate(replica.momentum).is_err()) {
        replica.momentum = 0.0;
    }
    replicas
}

/// Made-up numbers for a tensor; `index` tells it from the others of the same seed.
pub(super) fn numbers(shape: &[usize], fill: Fill, seed: u64, index: u32) -> Numbers {
    let mut stream = Stream::new(seed, Purpose::Inputs, index);
    let len = shape.iter().product::<usize>();
    // Off the centre, so that a wrong sign or a forgotten sum shows.
    let mut signed = || stream.symmetric(1.0) + 0.125;
    match fill {
        Fill::Signed => Numbers::F32((0..len).map(|_| signed()).collect()),
        Fill::Activated(activation) => Numbers::F32((0..len).map(|_| activation.value(2.0 * signed())).collect()),
        Fill::State(squares) => {
            let [_, slots, parameter @ ..] = shape else { return Numbers::F32(Vec::new()) };
            let parameters = parameter.iter().product::<usize>();
            let square = |at: usize| squares[at / parameters % slots];
            Numbers::F32((0..len).map(|at| if square(at) { signed().abs() } else { signed() }).collect())
        }
        Fill::Pixels => Numbers::U8((0..len).map(|_| stream.word() as u8).collect()),
        Fill::Labels(classes) => Numbers::U32((0..len).map(|_| stream.word() % classes).collect()),
        Fill::Orders(samples) => {
            let epochs = len.div_ceil(samples);
            let order = (0..epochs).flat_map(|epoch| epoch_order(seed + u64::from(index), epoch, samples, true));
            Numbers::U32(order.take(len).collect())
        }
        Fill::Scores => Numbers::U32((0..len).map(|_| score(&mut stream)).collect()),
        Fill::Keys(run) => {
            let mut key = || if stream.word().is_multiple_of(4) { NO_KEY } else { score_key(score(&mut stream)) };
            let mut keys: Vec<u32> = (0..len).map(|_| key()).collect();
            let rows = keys.chunks_mut(shape.last().copied().unwrap_or(1));
            rows.flat_map(|row| row.chunks_mut(run)).for_each(<[u32]>::sort_unstable);
            Numbers::U32(keys)
        }
        Fill::Full => Numbers::U32((0..len).map(|_| u32::MAX - stream.word() % 1000).collect()),
    }
}

/// Bits of a score.
fn score(stream: &mut Stream) -> u32 {
    const SPECIAL: [f32; 6] = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN];
    let special = SPECIAL.get(stream.word() as usize % 60).copied();
    special.unwrap_or_else(|| (stream.symmetric(4.0) * 16.0).round() / 16.0).to_bits()
}
