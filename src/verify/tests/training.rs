//! Small networks to train in tests, straight on an executor.

use crate::executor::{Executor, StepMetrics};
use crate::lower::{Capacity, PlanRequest};
use crate::ops::optimizer::Optimizer;
use crate::ops::{InputKind, Loss, LossWeights, TargetKind};
use crate::plan::{Plan, Port, ProgramId};
use crate::precision::Precision;
use crate::spec::{Augment, LossOptions, Replica, Sequential, TrainSpec};
use crate::tensor::Iteration;
use crate::tensor::TensorData;
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
    /// (N, I), whole numbers where samples are bytes
    pub features: Vec<f32>,
    /// (N)
    pub labels: Vec<u32>,
    /// (N, O)
    pub values: Vec<f32>,
    /// (N) for each replica
    pub orders: Vec<Vec<u32>>,
    pub keep_gradients: bool,
    pub loss_options: LossOptions,
    /// (N), or none
    pub weights: Vec<f32>,
    /// What layers hand on to each other is stored as.
    pub precision: Precision,
}

impl Setup {
    /// N
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    pub fn plan(&self) -> Plan {
        self.plan_with(0.0, None)
    }

    /// With noise on the inputs, and images moved and bent.
    pub fn plan_with(&self, noise: f32, augment: Option<Augment>) -> Plan {
        let capacity = Capacity { batch: self.batch, samples: self.count(), order: self.count() };
        let spec = TrainSpec::new(self.loss, self.optimizer, self.batch, self.replicas.clone());
        let spec = TrainSpec {
            loss_options: self.loss_options.clone(),
            pixel_scale: 1.0,
            noise,
            augment,
            precision: self.precision,
            ..spec
        };
        let request = PlanRequest {
            model: &self.model,
            spec: &spec,
            samples: self.samples,
            targets: self.targets,
            weighted: self.weighted(),
            train: capacity,
            evaluate: capacity,
            keep_gradients: self.keep_gradients,
        };
        request.plan().unwrap()
    }

    fn weighted(&self) -> bool {
        !self.weights.is_empty() || !self.loss_options.class_weights.is_empty()
    }

    /// What sample `n` counts in the mean.
    fn weight(&self, n: usize) -> f64 {
        let class_weights = &self.loss_options.class_weights;
        let class = match self.targets {
            TargetKind::Classes if !class_weights.is_empty() => class_weights[self.labels[n] as usize],
            _ => 1.0,
        };
        f64::from(class) * self.weights.get(n).copied().map_or(1.0, f64::from)
    }

    /// The sums of the rows' weights in iterations, (steps, R), or none without weights.
    pub fn batch_weights(&self, iterations: &[Iteration]) -> Vec<f64> {
        if !self.weighted() {
            return Vec::new();
        }
        let batches = iterations.iter().map(|batch| batch.first as usize..(batch.first + batch.rows) as usize);
        let sum = |rows: &[u32]| rows.iter().map(|n| self.weight(*n as usize)).sum();
        batches.flat_map(|batch| self.orders.iter().map(move |order| sum(&order[batch.clone()]))).collect()
    }

    /// Writes data and orders, for evaluation too, and initial weights.
    pub fn fill(&self, executor: &mut dyn Executor) {
        for id in [ProgramId::Train, ProgramId::Evaluate] {
            let program = executor.plan().program(id).clone();
            let bytes: Vec<u8> = self.features.iter().map(|x| *x as u8).collect();
            let features = match self.samples {
                InputKind::SamplesU8 => TensorData::U8(&bytes),
                _ => TensorData::F32(&self.features),
            };
            executor.write(program.port(Port::Samples), 0, features).unwrap();
            match self.targets {
                TargetKind::Classes => {
                    executor.write(program.port(Port::Targets), 0, TensorData::U32(&self.labels)).unwrap()
                }
                TargetKind::Values => {
                    executor.write(program.port(Port::Targets), 0, TensorData::F32(&self.values)).unwrap()
                }
            }
            executor.write(program.port(Port::Order), 0, TensorData::U32(&self.orders.concat())).unwrap();
            if let Some(id) = program.find(Port::Weights) {
                let classes = LossWeights::classes(self.model.outputs());
                let mut weights = self.loss_options.class_weights.clone();
                weights.resize(classes, 1.0);
                weights.extend(&self.weights);
                weights.resize(classes + self.count(), 1.0);
                executor.write(id, 0, TensorData::F32(&weights)).unwrap();
            }
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
    executor.submit_weighted(ProgramId::Train, &iterations, &setup.batch_weights(&iterations)).unwrap();
    executor.metrics(true).unwrap().iter().map(StepMetrics::loss).collect()
}
