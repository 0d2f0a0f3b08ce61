//! Plans whose steps run one by one, and so belong to no network's batches.

use std::collections::BTreeMap;

use super::{HyperSource, Plan, Port, Program, ProgramId, Step};
use crate::ops::Op;
use crate::tensor::{Element, Role, Tensor, TensorId};

/// Tensors and steps, as they come.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    tensors: Vec<Tensor>,
    steps: Vec<Step>,
    ports: BTreeMap<Port, TensorId>,
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

    /// Adds a step.
    pub fn step(&mut self, label: impl Into<String>, op: Op) {
        self.steps.push(Step::new(label, op));
    }

    /// Names a tensor for the host.
    pub fn port(&mut self, port: Port, id: TensorId) {
        self.ports.insert(port, id);
    }

    /// The plan of `replicas` replicas, whose only program is `id`.
    pub fn plan(self, id: ProgramId, replicas: usize, hyper: Option<HyperSource>, slots: usize) -> Plan {
        let program = Program { steps: self.steps, ports: self.ports, ..Program::default() };
        Plan { tensors: self.tensors, programs: BTreeMap::from([(id, program)]), replicas, slots, hyper }
    }
}
