//! Prediction: a model on a device, without training state.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::data::{Features, Preprocessing};
use crate::error::{Error, Result};
use crate::executor::{DeviceInfo, Executor, KernelChoice};
use crate::lower::{Capacity, PlanRequest};
use crate::ops::InputKind;
use crate::plan::{MemoryReport, Plan, Port, ProgramId};
use crate::spec::{Sequential, TrainSpec};
use crate::tensor::TensorData;
use crate::train::{Device, ModelFile};

/// Numbers of a layer's output that a batch on the CPU has at most, which stay in a core's cache. Each thread has a batch.
const CPU_NUMBERS: usize = 1 << 16;
/// Rows of a batch on the CPU are a multiple of it, which groups of rows divide, and at most [`CPU_BATCH`].
const CPU_ROWS: usize = 60;
const CPU_BATCH: usize = 480;
/// Rows of a batch on a GPU.
const GPU_BATCH: usize = 1024;

/// Rows to predict from (N, I).
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Pixels, which are scaled as in training.
    U8(ArrayView2<'a, u8>),
    /// Inputs as the model expects them.
    F32(ArrayView2<'a, f32>),
}

impl Rows<'_> {
    fn dim(&self) -> (usize, usize) {
        match self {
            Self::U8(rows) => rows.dim(),
            Self::F32(rows) => rows.dim(),
        }
    }
}

impl<'a> From<&'a Features> for Rows<'a> {
    fn from(features: &'a Features) -> Self {
        match features {
            Features::U8(rows) => Self::U8(rows.view()),
            Features::F32(rows) => Self::F32(rows.view()),
        }
    }
}

impl<'a> From<&'a Array2<f32>> for Rows<'a> {
    fn from(rows: &'a Array2<f32>) -> Self {
        Self::F32(rows.view())
    }
}

impl<'a> From<ArrayView2<'a, f32>> for Rows<'a> {
    fn from(rows: ArrayView2<'a, f32>) -> Self {
        Self::F32(rows)
    }
}

impl<'a> From<&'a Array2<u8>> for Rows<'a> {
    fn from(rows: &'a Array2<u8>) -> Self {
        Self::U8(rows.view())
    }
}

impl<'a> From<ArrayView2<'a, u8>> for Rows<'a> {
    fn from(rows: ArrayView2<'a, u8>) -> Self {
        Self::U8(rows)
    }
}

/// Predicts with a trained model. It holds the weights once, and the activations of one batch: on the CPU of one batch for each
/// thread of the pool. Threads can share it.
///
/// ```
/// use wgrad::{Activation::*, Adam, Loss::*, Predictor, Sequential, Trainer, datasets, epochs};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("xor.safetensors");
/// let xor = datasets::xor()?;
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(4).build()?;
/// trainer.fit(&xor, epochs(200), &mut ())?;
/// trainer.save(&path)?;
///
/// let probabilities = Predictor::load(&path)?.predict(xor.features())?; // (N, O)
/// assert!(probabilities[[0, 0]] > 0.9 && probabilities[[1, 1]] > 0.9);
/// # Ok::<(), wgrad::Error>(())
/// ```
pub struct Predictor {
    model: Sequential,
    pixel_scale: f32,
    preprocessing: Preprocessing,
    device: Device,
    executor: Mutex<Box<dyn Executor>>,
}

impl Predictor {
    /// Loads a model file onto the CPU.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`] if it cannot be read; [`Error::Limit`] if the machine has too little memory.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_on(path, &Device::cpu())
    }

    /// Loads a model file onto a device.
    ///
    /// # Errors
    /// As [`Predictor::load`], and what the device reports.
    pub fn load_on(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::new(&ModelFile::load(path.as_ref())?, device)
    }

    /// A model on a device.
    ///
    /// # Errors
    /// [`Error::Spec`] if the model's spec is invalid; [`Error::Shape`] or [`Error::MissingTensor`] where its weights are
    /// not those of the model; [`Error::Limit`]; what the device reports.
    pub fn new(file: &ModelFile, device: &Device) -> Result<Self> {
        file.model.check_state(&file.weights)?;
        let plan = Self::plan(&file.model, &file.spec, device)?;
        device.check_precision(&plan)?;
        let order: Vec<u32> = (0..plan.program(ProgramId::Predict).batch as u32).collect();
        let mut executor = device.executor(plan, None)?;
        let id = executor.plan().program(ProgramId::Predict).port(Port::Order);
        executor.write(id, 0, TensorData::U32(&order))?;
        executor.write_state(&file.weights.clone().repeated(1))?;
        Ok(Self {
            model: file.model.clone(),
            pixel_scale: file.spec.pixel_scale,
            preprocessing: file.preprocessing.clone().unwrap_or_default(),
            device: device.clone(),
            executor: Mutex::new(executor),
        })
    }

    /// Its plan: parameters, statistics, and one batch.
    fn plan(model: &Sequential, spec: &TrainSpec, device: &Device) -> Result<Plan> {
        let widest = model.layers.iter().map(|layer| layer.units).max().unwrap_or(1).max(1);
        let rows = (CPU_NUMBERS / widest / CPU_ROWS * CPU_ROWS).clamp(CPU_ROWS, CPU_BATCH);
        let batch = if device.as_gpu().is_some() { GPU_BATCH } else { rows };
        let capacity = Capacity { batch, samples: batch, order: 0 };
        let spec = TrainSpec { replicas: vec![spec.replicas[0]], ..spec.clone() };
        PlanRequest {
            model,
            spec: &spec,
            samples: InputKind::SamplesF32,
            targets: spec.loss.usual_targets(),
            weighted: !spec.loss_options.class_weights.is_empty(),
            train: capacity,
            evaluate: capacity,
            keep_gradients: false,
        }
        .inference()
    }

    /// Predictions (N, O) for rows (N, I): probabilities for cross-entropies, the outputs themselves for the other losses.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows are not I wide, and what the device reports.
    pub fn predict<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<Array2<f32>> {
        let rows = rows.into();
        let (count, columns) = rows.dim();
        if columns != self.model.inputs {
            return Err(Error::Shape {
                operation: "predict",
                tensor: "samples".to_owned(),
                wanted: format!("(N, {}), as wide as the model's input,", self.model.inputs),
                got: format!("{:?}", (count, columns)),
            });
        }
        let mut answers = Array3::zeros((1, count, self.model.outputs()));
        let into = answers.as_slice_mut().expect("a new array is contiguous");
        let mut executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        match rows {
            Rows::F32(rows) => match rows.as_slice() {
                Some(rows) => executor.predict(rows, into)?,
                None => self.in_chunks(executor.as_mut(), rows, |x| *x, into)?,
            },
            Rows::U8(rows) => self.in_chunks(executor.as_mut(), rows, |x| f32::from(*x) * self.pixel_scale, into)?,
        }
        Ok(answers.index_axis_move(Axis(0), 0))
    }

    /// Predicts from rows that have to be converted, many batches at a time.
    fn in_chunks<T>(
        &self,
        executor: &mut dyn Executor,
        rows: ArrayView2<'_, T>,
        convert: impl Fn(&T) -> f32,
        into: &mut [f32],
    ) -> Result<()> {
        let mut converted = Vec::new();
        let answers = into.chunks_mut(GPU_BATCH * self.model.outputs());
        for (rows, into) in rows.axis_chunks_iter(Axis(0), GPU_BATCH).zip(answers) {
            converted.clear();
            converted.extend(rows.iter().map(&convert));
            executor.predict(&converted, into)?;
        }
        Ok(())
    }

    /// The model's spec.
    pub fn model(&self) -> &Sequential {
        &self.model
    }

    /// The preprocessing of raw rows and outputs, if any.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Name, backend, driver of its device.
    pub fn info(&self) -> DeviceInfo {
        self.device.info()
    }

    /// The kernels of its steps; none on the CPU.
    pub fn kernels(&self) -> Vec<KernelChoice> {
        self.executor.lock().unwrap_or_else(PoisonError::into_inner).kernels(ProgramId::Predict)
    }

    /// Its memory footprint: the weights, and the activations of one batch, on the CPU for each thread.
    pub fn memory(&self) -> MemoryReport {
        let executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        self.device.memory(executor.plan())
    }

    /// Bytes of the buffers that it holds on its device.
    pub fn held_bytes(&self) -> u64 {
        self.executor.lock().unwrap_or_else(PoisonError::into_inner).held_bytes()
    }
}

#[cfg(test)]
#[path = "predictor_tests.rs"]
mod tests;
