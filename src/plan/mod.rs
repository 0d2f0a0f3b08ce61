//! Plans: tensors, and programs of steps on them. Plain data that every executor interprets, whatever its purpose.

mod assemble;
mod memory;
mod print;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use assemble::Assembly;
pub use memory::{MemoryLimits, MemoryReport, MemoryUse, TensorSize};

use crate::ops::optimizer::{Optimizer, Replica};
use crate::ops::{Hyper, Op, Operation};
use crate::schedule::Pace;
use crate::tensor::{Iteration, Metrics, Tensor, TensorId};

/// One operation with its arguments, under a name.
#[derive(Clone, Debug)]
pub struct Step {
    /// `layers.0 forward`
    pub label: String,
    pub(crate) op: Op,
}

impl Step {
    pub(crate) fn new(label: impl Into<String>, op: Op) -> Self {
        Self { label: label.into(), op }
    }

    /// The stem of its kernel family.
    pub fn operation(&self) -> &'static str {
        self.op.shader().stem
    }
}

/// Names a program of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramId {
    /// Forward, loss, backward, update.
    Train,
    /// Forward, loss.
    Evaluate,
    /// Forward, with the probabilities that the loss implies.
    Predict,
    /// Forward, loss, counts and sums for metrics beyond the loss.
    Measure,
    /// Ranks the scores of two classes' samples.
    Rank,
    /// Steps that run one by one, to be verified or timed.
    Steps,
}

/// Names a tensor that the host writes before a program runs, or reads after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// The samples, (N, I).
    Samples,
    /// Their targets, u32 (N) or f32 (N, O).
    Targets,
    /// Weights of classes and samples, f32 (C + N), if there are any.
    Weights,
    /// The order of the samples, u32 (R, N) or (N).
    Order,
    /// Outputs of the last layer, (R, B, O).
    Outputs,
    /// Confusion matrix, true classes by predicted ones, u32 (R, C, C).
    Confusion,
    /// Histogram of the true class's rank, u32 (R, C).
    Ranks,
    /// Scores of class 0, of models of two classes, (R, S); for ranking, their bits, u32 (R, N).
    Scores,
    /// Sums of absolute and squared differences, (R, blocks, O, 2), written and not added to.
    DifferenceSums,
    /// Which of two classes each sample is of, u32 (N).
    Classes,
    /// Pairs of samples by rank, u32 (R, 3), counted by `mann_whitney`.
    Pairs,
}

/// Steps that run one after the other for each batch, and the tensors through which the host feeds and reads them.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// B, the largest number of rows of a batch.
    pub batch: usize,
    /// In this order.
    pub steps: Vec<Step>,
    /// Tensors that the host writes and reads.
    pub ports: BTreeMap<Port, TensorId>,
    /// The tensor of its losses, if it computes any.
    pub metrics: Option<Metrics>,
    /// The program whose steps it begins with. It shares that program's pipelines, and those of its other steps are created
    /// when it first runs.
    pub extends: Option<ProgramId>,
}

impl Program {
    /// The tensor of a port, if the program has it.
    pub fn find(&self, port: Port) -> Option<TensorId> {
        self.ports.get(&port).copied()
    }

    /// The tensor of a port that the program is known to have.
    ///
    /// # Panics
    /// If it has none.
    pub fn port(&self, port: Port) -> TensorId {
        self.find(port).unwrap_or_else(|| panic!("the program has no port {port:?}, only {:?}", self.ports.keys()))
    }
}

/// The source of each step's hyper-parameters, in plans that train.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HyperSource {
    /// The R replicas.
    pub replicas: Vec<Replica>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// The fit's position, for schedules.
    pub pace: Pace,
}

impl HyperSource {
    pub fn new(replicas: Vec<Replica>, optimizer: Optimizer) -> Self {
        Self { replicas, optimizer, pace: Pace::default() }
    }

    /// Replica `r`'s hyper-parameters in an iteration.
    fn hyper(&self, r: usize, iteration: &Iteration) -> Hyper {
        let replica = &self.replicas[r];
        Hyper::at(replica, self.optimizer, iteration, replica.rate(r, &self.pace, iteration.number))
    }
}

/// Tensors and the programs on them, which executors run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All tensors. Names are unique.
    pub tensors: Vec<Tensor>,
    /// Its programs by purpose.
    pub programs: BTreeMap<ProgramId, Program>,
    /// R.
    pub replicas: usize,
    /// Iterations that the metrics have room for between two reads.
    pub slots: usize,
    /// Of plans that train; others run with `Hyper::neutral`.
    pub(crate) hyper: Option<HyperSource>,
}

impl Plan {
    /// One of its programs, if it has it.
    pub fn find(&self, id: ProgramId) -> Option<&Program> {
        self.programs.get(&id)
    }

    /// A program that the plan is known to have.
    ///
    /// # Panics
    /// If it has none.
    pub fn program(&self, id: ProgramId) -> &Program {
        self.find(id).unwrap_or_else(|| panic!("the plan has no program {id:?}, only {:?}", self.programs.keys()))
    }

    /// Whether it changes the model, so that executors keep copies for restoring.
    pub fn trains(&self) -> bool {
        self.programs.contains_key(&ProgramId::Train)
    }

    /// Sets the fit's position, for the schedules of subsequent iterations.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        if let Some(hyper) = &mut self.hyper {
            hyper.pace = pace;
        }
    }

    /// The same tensors with these steps alone.
    pub(crate) fn with_steps(&self, steps: Vec<Step>) -> Self {
        let program = Program { steps, ..Program::default() };
        Self { programs: BTreeMap::from([(ProgramId::Steps, program)]), ..self.clone() }
    }

    /// A tensor's description.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// The tensor of this name, if there is one.
    pub fn find_tensor(&self, name: &str) -> Option<TensorId> {
        self.ids().find(|id| self.tensor(*id).name == name)
    }

    /// A tensor that the plan is known to have.
    ///
    /// # Panics
    /// If it has none of this name.
    pub fn tensor_named(&self, name: &str) -> TensorId {
        self.find_tensor(name).unwrap_or_else(|| panic!("the plan has no tensor {name}"))
    }

    /// Every tensor's id.
    pub fn ids(&self) -> impl Iterator<Item = TensorId> + use<> {
        (0..self.tensors.len()).map(TensorId)
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().fold(0, |total, tensor| total.saturating_add(tensor.bytes()))
    }

    /// The replicas' hyper-parameters in an iteration. `weights` (R) are the sums of the rows' weights; without, each is 1.
    pub(crate) fn hypers<'a>(&'a self, iteration: Iteration, weights: &'a [f64]) -> impl Iterator<Item = Hyper> + 'a {
        (0..self.replicas).map(move |r| {
            let hyper = self.hyper.as_ref().map_or_else(|| Hyper::neutral(&iteration), |own| own.hyper(r, &iteration));
            weights.get(r).map_or(hyper, |weight| hyper.with_weight(*weight))
        })
    }
}
