//! A plan on a device, fitted to the data at hand: how samples get there, and in which order batches take them.

use ndarray::ArrayView2;

use super::Device;
use super::ranking::Ranking;
use super::targets::{class_weights, weighted};
use crate::data::{Dataset, Features, Targets};
use crate::error::{Error, Result};
use crate::executor::{Executor, KernelRecords};
use crate::lower::{Capacity, PlanRequest};
use crate::ops::{InputKind, LossWeights, TargetKind};
use crate::plan::{Plan, Port, ProgramId};
use crate::spec::{Sequential, TrainSpec};
use crate::tensor::{Iteration, TensorData, TensorId};

/// Rows of an evaluation batch.
const EVALUATION_BATCH: usize = 1024;
/// Bytes of samples that an evaluation or a streamed chunk has on the device at a time, about.
const CHUNK_BYTES: usize = 16 << 20;

/// What a session is made for; a fit that needs another one makes a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub samples: InputKind,
    pub targets: TargetKind,
    /// Whether samples or classes have weights.
    pub weighted: bool,
    /// Training samples on the device at a time.
    pub capacity: usize,
    /// Sample indices per replica on the device at a time.
    pub order: usize,
    /// Whether it holds what training needs beside parameters and statistics.
    pub trains: bool,
}

impl Shape {
    /// For training on `data`: all of it on the device, or, where it is over `limit` bytes, as many steps at a time as
    /// [`CHUNK_BYTES`] holds.
    pub fn training(data: &Dataset, spec: &TrainSpec, limit: u64) -> Self {
        let (samples, targets) = (input_kind(data.features()), target_kind(data.targets()));
        let weighted = weighted(data, spec);
        if (data.len() * data.features().row_bytes()) as u64 <= limit {
            return Self { samples, targets, weighted, capacity: data.len(), order: data.len(), trains: true };
        }
        let rows_per_step = spec.batch * spec.replicas.len();
        let affordable = CHUNK_BYTES.min(usize::try_from(limit).unwrap_or(CHUNK_BYTES)) / data.features().row_bytes();
        let steps = (affordable / rows_per_step).max(1);
        Self { samples, targets, weighted, capacity: steps * rows_per_step, order: steps * spec.batch, trains: true }
    }

    /// For evaluation and prediction only.
    pub fn evaluation(features: &Features, targets: TargetKind, weighted: bool, spec: &TrainSpec) -> Self {
        let (capacity, order) = (spec.batch, spec.batch);
        Self { samples: input_kind(features), targets, weighted, capacity, order, trains: false }
    }

    /// The plan of this shape.
    pub fn plan(&self, model: &Sequential, spec: &TrainSpec) -> Result<Plan> {
        let bytes = if self.samples == InputKind::SamplesU8 { 1 } else { 4 };
        let rows = (CHUNK_BYTES / (model.inputs * bytes)).clamp(1, 16 * EVALUATION_BATCH);
        let request = PlanRequest {
            model,
            spec,
            samples: self.samples,
            targets: self.targets,
            weighted: self.weighted,
            train: Capacity { batch: spec.batch, samples: self.capacity, order: self.order },
            evaluate: Capacity { batch: EVALUATION_BATCH.min(rows), samples: rows, order: 0 },
            keep_gradients: false,
        };
        if self.trains { request.plan() } else { request.evaluation() }
    }
}

pub(super) fn input_kind(features: &Features) -> InputKind {
    match features {
        Features::U8(_) => InputKind::SamplesU8,
        Features::F32(_) => InputKind::SamplesF32,
    }
}

pub(super) fn target_kind(targets: &Targets) -> TargetKind {
    match targets {
        Targets::Classes(_) => TargetKind::Classes,
        Targets::Values(_) => TargetKind::Values,
    }
}

/// A plan on a device with the model's parameters.
pub(super) struct Session {
    pub shape: Shape,
    pub executor: Box<dyn Executor>,
    /// What ranks the scores of two classes' samples, from the first time that it is asked for.
    ranking: Option<Ranking>,
}

impl Session {
    /// With the kernels of `record`, where there is one, else with those that the device chooses.
    pub fn new(
        device: &Device,
        model: &Sequential,
        spec: &TrainSpec,
        shape: Shape,
        record: Option<&KernelRecords>,
    ) -> Result<Self> {
        let mut new = Self { shape, executor: device.executor(shape.plan(model, spec)?, record)?, ranking: None };
        let classes = class_weights(spec, LossWeights::classes(model.outputs()));
        for program in [ProgramId::Train, ProgramId::Evaluate] {
            let plan = new.executor.plan();
            if let Some(weights) = plan.find(program).and_then(|program| program.find(Port::Weights)) {
                new.executor.write(weights, 0, TensorData::F32(&classes))?;
            }
        }
        Ok(new)
    }

    /// Writes what samples count, behind what classes count, where the program has room for it.
    fn write_sample_weights(&mut self, program: ProgramId, count: usize, own: Option<&[f32]>) -> Result<()> {
        let plan = self.executor.plan();
        let Some(weights) = plan.program(program).find(Port::Weights) else { return Ok(()) };
        let first = plan.tensor(weights).len() - plan.tensor(plan.program(program).port(Port::Samples)).shape[0];
        match own {
            Some(own) => self.executor.write(weights, first, TensorData::F32(own)),
            None => self.executor.write(weights, first, TensorData::F32(&vec![1.0; count])),
        }
    }

    /// Whether the whole training set of `len` samples lies on the device.
    pub fn resident(&self, len: usize) -> bool {
        self.shape.order >= len
    }

    /// Uploads all samples of a set that is to lie on the device, with their targets.
    pub fn upload_all(&mut self, data: &Dataset) -> Result<()> {
        let train = self.executor.plan().program(ProgramId::Train);
        let (samples, targets) = (train.port(Port::Samples), train.port(Port::Targets));
        self.write_rows(samples, data.features(), 0..data.len())?;
        self.write_targets(targets, data.targets(), 0..data.len())?;
        self.write_sample_weights(ProgramId::Train, data.len(), data.weights())
    }

    /// Tells the device the epoch's order of samples, (R, N).
    pub fn write_order(&mut self, orders: &[Vec<u32>]) -> Result<()> {
        let order = self.executor.plan().program(ProgramId::Train).port(Port::Order);
        for (r, own) in orders.iter().enumerate() {
            self.executor.write(order, r * self.shape.order, TensorData::U32(own))?;
        }
        Ok(())
    }

    /// Uploads, for samples that stream, those of `count` positions of the epoch from `first` on, each replica's in
    /// its own order one after the other; the device's order then points at them.
    pub fn upload_chunk(&mut self, data: &Dataset, orders: &[Vec<u32>], first: usize, count: usize) -> Result<()> {
        let train = self.executor.plan().program(ProgramId::Train);
        let (samples, targets) = (train.port(Port::Samples), train.port(Port::Targets));
        let rows: Vec<usize> =
            orders.iter().flat_map(|order| order[first..first + count].iter().map(|n| *n as usize)).collect();
        match data.features() {
            Features::U8(x) => self.executor.write(samples, 0, TensorData::U8(&gather(x.view(), &rows)))?,
            Features::F32(x) => self.executor.write(samples, 0, TensorData::F32(&gather(x.view(), &rows)))?,
        }
        match data.targets() {
            Targets::Classes(labels) => {
                let labels: Vec<u32> = rows.iter().map(|n| labels[*n]).collect();
                self.executor.write(targets, 0, TensorData::U32(&labels))?;
            }
            Targets::Values(y) => self.executor.write(targets, 0, TensorData::F32(&gather(y.view(), &rows)))?,
        }
        let weights = data.weights().map(|own| rows.iter().map(|n| own[*n]).collect::<Vec<_>>());
        self.write_sample_weights(ProgramId::Train, rows.len(), weights.as_deref())?;
        let orders: Vec<Vec<u32>> =
            (0..orders.len()).map(|r| (r * count..(r + 1) * count).map(|n| n as u32).collect()).collect();
        self.write_order(&orders)
    }

    /// The area under each replica's receiver operating characteristic: see [`Ranking::areas`].
    pub fn roc_areas(&mut self, device: &Device, scores: &[Vec<f32>], is_one: &[bool]) -> Result<Vec<Option<f64>>> {
        if !self.ranking.as_ref().is_some_and(|ranking| ranking.fits(is_one.len())) {
            self.ranking = None; // before there is a larger one
            let plan = self.executor.plan();
            self.ranking = Ranking::new(device, plan.replicas, is_one.len())?;
        }
        self.ranking.as_mut().map_or_else(|| Ok(vec![None; scores.len()]), |ranking| ranking.areas(scores, is_one))
    }

    /// Rows of samples that an evaluation takes at a time.
    pub fn evaluation_rows(&self) -> usize {
        let plan = self.executor.plan();
        plan.tensor(plan.program(ProgramId::Evaluate).port(Port::Samples)).shape[0]
    }

    /// Uploads rows for evaluation, with targets and weights, or for prediction; gives the iterations over them.
    pub fn upload_evaluation(
        &mut self,
        features: &Features,
        targets: Option<(&Targets, Option<&[f32]>)>,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<Iteration>> {
        let program = self.executor.plan().program(ProgramId::Evaluate);
        let [samples, target, order] = [Port::Samples, Port::Targets, Port::Order].map(|port| program.port(port));
        let batch = program.batch;
        let indices: Vec<u32> = (0..rows.len() as u32).collect();
        self.executor.write(order, 0, TensorData::U32(&indices))?;
        self.write_rows(samples, features, rows.clone())?;
        if let Some((targets, weights)) = targets {
            self.write_targets(target, targets, rows.clone())?;
            let own = weights.map(|weights| &weights[rows.clone()]);
            self.write_sample_weights(ProgramId::Evaluate, rows.len(), own)?;
        }
        Ok(iterations(rows.len(), batch, 0))
    }

    fn write_rows(&mut self, id: TensorId, features: &Features, rows: std::ops::Range<usize>) -> Result<()> {
        let columns = features.inputs();
        let elements = rows.start * columns..rows.end * columns;
        match features {
            Features::U8(x) => self.executor.write(id, 0, TensorData::U8(&contiguous(x)?[elements])),
            Features::F32(x) => self.executor.write(id, 0, TensorData::F32(&contiguous(x)?[elements])),
        }
    }

    fn write_targets(&mut self, id: TensorId, targets: &Targets, rows: std::ops::Range<usize>) -> Result<()> {
        match targets {
            Targets::Classes(labels) => self.executor.write(id, 0, TensorData::U32(&labels[rows])),
            Targets::Values(y) => {
                let columns = y.ncols();
                let elements = rows.start * columns..rows.end * columns;
                self.executor.write(id, 0, TensorData::F32(&contiguous(y)?[elements]))
            }
        }
    }
}

/// The batches of `len` samples, the last one possibly shorter; `number` steps came before them.
pub(super) fn iterations(len: usize, batch: usize, number: u32) -> Vec<Iteration> {
    let batches = (0..len).step_by(batch).enumerate();
    let iteration = |(index, first): (usize, usize)| Iteration {
        rows: batch.min(len - first) as u32,
        first: first as u32,
        slot: 0,
        number: number + 1 + index as u32,
    };
    batches.map(iteration).collect()
}

fn contiguous<T>(values: &ndarray::Array2<T>) -> Result<&[T]> {
    values.as_slice().ok_or_else(|| Error::Shape {
        operation: "upload",
        tensor: "samples".to_owned(),
        wanted: "rows in C order".to_owned(),
        got: format!("strides {:?}", values.strides()),
    })
}

fn gather<T: Copy>(values: ArrayView2<'_, T>, rows: &[usize]) -> Vec<T> {
    let mut gathered = Vec::with_capacity(rows.len() * values.ncols());
    rows.iter().for_each(|n| gathered.extend(values.row(*n).iter().copied()));
    gathered
}
