//! Small networks to train in tests, straight on an executor.

use crate::executor::{Executor, StepMetrics, TensorData};
use crate::ops::optimizer::Optimizer;
use crate::ops::{InputKind, Loss, TargetKind};
use crate::plan::{Capacity, Iteration, Plan, PlanRequest, ProgramId};
use crate::spec::{Replica, Sequential, TrainSpec};
use crate::verify::network::initialize;

/// A network, its data, and how it is trained.
#[derive(Clone)]
pub struct Setup {
    pub model: Sequential,
    pub loss: Loss,
    pub optimizer: Optimizer,
    pub replicas: Vec<Replica>,
    pub batch: usize,
    pub samples: InputKind,
    pub targets: TargetKind,
    /// (N, I)
    pub features: Vec<f32>,
    /// (N)
    pub labels: Vec<u32>,
    /// (N, O)
    pub values: Vec<f32>,
    /// (N) for each replica
    pub orders: Vec<Vec<u32>>,
    pub keep_gradients: bool,
}

impl Setup {
    /// N
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    pub fn plan(&self) -> Plan {
        let capacity = Capacity { batch: self.batch, samples: self.count(), order: self.count() };
        let spec = TrainSpec {
            loss: self.loss,
            optimizer: self.optimizer,
            batch: self.batch,
            replicas: self.replicas.clone(),
            shuffle: true,
            pixel_scale: 1.0,
        };
        let request = PlanRequest {
            model: &self.model,
            spec: &spec,
            samples: self.samples,
            targets: self.targets,
            train: capacity,
            evaluate: capacity,
            keep_gradients: self.keep_gradients,
        };
        request.plan().unwrap()
    }

    /// Writes data and orders, for evaluation too, and initial weights.
    pub fn fill(&self, executor: &mut dyn Executor) {
        for id in [ProgramId::Train, ProgramId::Evaluate] {
            let program = executor.plan().program(id).clone();
            executor.write(program.samples, 0, TensorData::F32(&self.features)).unwrap();
            match self.targets {
                TargetKind::Classes => executor.write(program.targets, 0, TensorData::U32(&self.labels)).unwrap(),
                TargetKind::Values => executor.write(program.targets, 0, TensorData::F32(&self.values)).unwrap(),
            }
            executor.write(program.order, 0, TensorData::U32(&self.orders.concat())).unwrap();
        }
        initialize(&self.model, executor).unwrap();
    }

    /// The iteration of a step: batches in order, the last of an epoch short.
    pub fn iteration(&self, step: u32) -> Iteration {
        let (count, batch) = (self.count() as u32, self.batch as u32);
        let first = step % count.div_ceil(batch) * batch;
        Iteration { rows: (count - first).min(batch), first, slot: 0, number: step + 1 }
    }
}

/// Trains for some steps; gives each step's losses, replica by replica.
pub fn run(setup: &Setup, executor: &mut dyn Executor, steps: u32) -> Vec<f32> {
    let iterations: Vec<_> = (0..steps).map(|step| setup.iteration(step)).collect();
    executor.submit(ProgramId::Train, &iterations).unwrap();
    executor.metrics(true).unwrap().iter().map(StepMetrics::loss).collect()
}
