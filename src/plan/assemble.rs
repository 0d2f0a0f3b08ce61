//! Plans put together by hand, of steps that are run one by one: for verification, which gives each kernel the sizes it
//! wants, and for what has nothing to do with a network's batches.

use super::{Element, Judgement, Plan, Program, Role, Step, Tensor, TensorId};
use crate::ops::optimizer::{Optimizer, Written};
use crate::ops::{Op, TargetKind};
use crate::spec::{Pace, Replica};

/// Tensors and steps, as they come.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    tensors: Vec<Tensor>,
    steps: Vec<Step>,
}

impl Assembly {
    /// Adds a tensor. Its name is for error messages.
    pub fn tensor(&mut self, name: String, shape: &[usize], element: Element, role: Role) -> TensorId {
        self.tensors.push(Tensor { name, shape: shape.to_vec(), element, role });
        TensorId(self.tensors.len() - 1)
    }

    /// Stores a tensor as something else.
    pub fn store(&mut self, id: TensorId, element: Element) {
        self.tensors[id.0].element = element;
    }

    /// Adds a step to the training program.
    pub fn step(&mut self, label: String, op: Op) {
        self.steps.push(Step { label, op });
    }

    /// The plan, for replicas with these hyper-parameters. Its steps are to be run one by one: a program's samples,
    /// targets and order mean nothing here.
    pub fn plan(self, replicas: Vec<Replica>, optimizer: Optimizer, slots: usize) -> Plan {
        let [samples, targets, order] = [TensorId(0); 3];
        let weights = None;
        let program =
            |steps| Program { batch: 0, steps, samples, targets, weights, order, metrics: None, outputs: None };
        Plan {
            tensors: self.tensors,
            written: replicas.iter().map(Written::of).collect(),
            replicas,
            optimizer,
            pace: Pace::default(),
            layers: Vec::new(),
            targets: TargetKind::Classes,
            slots,
            train: program(self.steps),
            evaluate: program(Vec::new()),
            predict: program(Vec::new()),
            judge: program(Vec::new()),
            judgement: Judgement::default(),
        }
    }
}
