use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array3, Axis};

use super::builder::{TrainerBuilder, memory};
use super::fit_state::SampleRecord;
use super::resume::Resumed;
use super::session::{Session, Shape, input_kind, target_kind};
use super::targets::{check_targets, weighted};
use super::{Device, ModelFile, TrainingFacts};
use crate::data::{Dataset, Features, Preprocessing, Targets};
use crate::error::{Error, Result};
use crate::executor::{DeviceInfo, KernelChoice, KernelRecords};
use crate::ops::{Head, Loss};
use crate::plan::{MemoryReport, Plan, Port, ProgramId};
use crate::spec::{OptimizerSpec, Sequential, TrainSpec};
use crate::state::State;
use crate::tensor::Role;

/// Trains, evaluates and applies a model, or R of them side by side.
///
/// ```
/// use ndarray::array;
/// use wgrad::{Activation::*, Adam, Dataset, Device, Loss::*, Sequential, Trainer, epochs};
///
/// let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let xor = Dataset::classification(x.view(), &[0, 1, 1, 0])?;
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(4).device(Device::cpu()).build()?;
/// trainer.fit(&xor, epochs(200), &mut ())?;
/// assert_eq!(trainer.evaluate(&xor)?.accuracy, 1.0);
/// # Ok::<(), wgrad::Error>(())
/// ```
pub struct Trainer {
    pub(super) model: Sequential,
    pub(super) spec: TrainSpec,
    pub(super) device: Device,
    pub(super) streaming_bytes: Option<u64>,
    pub(super) session: Option<Session>,
    /// Optimizer steps so far.
    pub(super) steps: u32,
    /// Whole epochs so far, which choose the next epoch's order.
    pub(super) epochs: usize,
    pub(super) trained_on: Option<String>,
    /// Which samples, where they are a part of a set.
    pub(super) trained_samples: Option<SampleRecord>,
    /// Whether the samples of the last fit were bytes.
    pub(super) bytes: bool,
    /// How the samples of the last fit came from raw rows; goes into the model file.
    pub(super) preprocessing: Option<Arc<Preprocessing>>,
    /// State that the next session takes over, (R, ...): initial, of a file, of a checkpoint, or of the session before it.
    /// Empty while a session has it.
    pub(super) carried: State,
    /// The kernels that ran before a checkpoint, which go on.
    pub(super) kernel_record: Option<KernelRecords>,
    /// The fit that the next one continues.
    pub(super) resumed: Option<Resumed>,
    pub(super) resume_note: Option<String>,
}

impl Trainer {
    /// Starts a builder. Loss and optimizer are as in PyTorch; the mean over the batch is minimized.
    #[allow(clippy::new_ret_no_self)] // the builder checks everything before there is a trainer
    pub fn new(model: Sequential, loss: Loss, optimizer: impl Into<OptimizerSpec>) -> TrainerBuilder {
        TrainerBuilder::new(model, loss, optimizer.into())
    }

    pub(super) fn assemble(
        model: Sequential,
        spec: TrainSpec,
        device: Device,
        carried: State,
        streaming_bytes: Option<u64>,
    ) -> Self {
        Self {
            model,
            spec,
            device,
            streaming_bytes,
            session: None,
            steps: 0,
            epochs: 0,
            trained_on: None,
            trained_samples: None,
            bytes: false,
            preprocessing: None,
            carried,
            kernel_record: None,
            resumed: None,
            resume_note: None,
        }
    }

    /// A trainer for a model that was saved, to evaluate and apply it or to train it further with a fresh optimizer.
    ///
    /// # Errors
    /// [`Error::Spec`] if the file's spec is not sound; [`Error::Shape`] or [`Error::MissingTensor`] where its weights are
    /// not those of its model.
    pub fn from_file(file: ModelFile, device: Device) -> Result<Self> {
        let ModelFile { model, spec, weights, preprocessing, .. } = file;
        spec.validate(&model)?;
        model.check_state(&weights)?;
        let replicas = weights.repeated(spec.replicas.len());
        let trainer = Self::assemble(model, spec, device, replicas, None);
        Ok(Self { preprocessing: preprocessing.map(Arc::new), ..trainer })
    }

    /// The model's spec.
    pub fn model(&self) -> &Sequential {
        &self.model
    }

    /// How it is trained.
    pub fn spec(&self) -> &TrainSpec {
        &self.spec
    }

    /// How raw rows become inputs: that of the data it was last trained on, or of its file.
    pub fn preprocessing(&self) -> Option<&Arc<Preprocessing>> {
        self.preprocessing.as_ref()
    }

    /// Where it is trained.
    pub fn info(&self) -> DeviceInfo {
        self.device.info()
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The kernels of a program's steps, once it has run on a GPU; none before, and on the CPU.
    pub fn kernels(&self, program: ProgramId) -> Vec<KernelChoice> {
        self.session.as_ref().map(|session| session.executor.kernels(program)).unwrap_or_default()
    }

    /// The plan that training on `data` follows; nothing is allocated for it.
    ///
    /// ```
    /// use wgrad::{Activation::*, Adam, Loss::*, Sequential, Trainer, datasets, plan::ProgramId};
    ///
    /// let model = Sequential::new(2).dense(8, Relu).dense(2, Linear);
    /// let trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(4).build()?;
    /// let plan = trainer.plan(&datasets::xor()?)?;
    /// assert_eq!(plan.program(ProgramId::Train).steps.len(), 5); // 3L - 1
    /// println!("{plan}"); // every tensor and step, as `wgrad train --print-plan`
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Shape`] where data and model do not fit.
    pub fn plan(&self, data: &Dataset) -> Result<Plan> {
        self.check(data, "plan")?;
        Shape::training(data, &self.spec, self.streaming_limit()).plan(&self.model, &self.spec)
    }

    /// What training on `data` takes of the device's memory, and what there is: known without anything being allocated or
    /// run. [`Trainer::fit`] is refused with the error of [`MemoryReport::check`] where that has one.
    ///
    /// # Errors
    /// As [`Trainer::plan`].
    pub fn memory(&self, data: &Dataset) -> Result<MemoryReport> {
        Ok(memory(&self.device, &self.plan(data)?))
    }

    /// What the first replica makes of rows (N, I): (N, O) probabilities for the cross-entropies, the outputs
    /// themselves for the mean squared error. u8 rows are scaled as in training, f32 rows are taken as they are.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows are not I wide, and what the device reports.
    pub fn predict(&mut self, rows: impl Into<Features>) -> Result<Array2<f32>> {
        Ok(self.predict_all(rows)?.index_axis_move(Axis(0), 0))
    }

    /// [`Trainer::predict`] by every replica: (R, N, O).
    ///
    /// # Errors
    /// As there.
    pub fn predict_all(&mut self, rows: impl Into<Features>) -> Result<Array3<f32>> {
        self.apply(&rows.into(), ProgramId::Predict)
    }

    /// What the last layer gives for rows (N, I): (R, N, O) logits for the cross-entropies, the outputs themselves for
    /// the mean squared error (logits where its output is a softmax).
    ///
    /// # Errors
    /// As [`Trainer::predict`].
    pub fn outputs(&mut self, rows: impl Into<Features>) -> Result<Array3<f32>> {
        self.apply(&rows.into(), ProgramId::Evaluate)
    }

    fn apply(&mut self, features: &Features, program: ProgramId) -> Result<Array3<f32>> {
        self.check_width(features, "predict")?;
        let (replicas, width) = (self.spec.replicas.len(), self.model.outputs());
        let mut all = Array3::zeros((replicas, features.len(), width));
        let session = self.session_for_evaluation(features, None)?;
        let (chunk, batch) = (session.evaluation_rows(), session.executor.plan().program(program).batch);
        let tensor = session.executor.plan().program(program).port(Port::Outputs);
        for first in (0..features.len()).step_by(chunk) {
            let rows = first..features.len().min(first + chunk);
            for iteration in session.upload_evaluation(features, None, rows)? {
                session.executor.submit(program, &[iteration])?;
                session.executor.metrics(true)?;
                let values = session.executor.read(tensor)?;
                let (live, at) = (iteration.rows as usize, first + iteration.first as usize);
                for (r, values) in values.chunks(batch * width).enumerate() {
                    let values = values[..live * width].iter();
                    all.slice_mut(ndarray::s![r, at..at + live, ..])
                        .iter_mut()
                        .zip(values)
                        .for_each(|(to, v)| *to = *v);
                }
            }
        }
        Ok(all)
    }

    /// Saves the first replica; [`ModelFile`] describes the format. The file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`] if a weight is not finite.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.to_file(0)?.save(path.as_ref())
    }

    /// One replica as a model file.
    ///
    /// # Errors
    /// As [`Trainer::weights`].
    pub fn to_file(&mut self, replica: usize) -> Result<ModelFile> {
        let weights = self.weights(replica)?;
        let facts = TrainingFacts {
            wgrad: env!("CARGO_PKG_VERSION").to_owned(),
            dataset: self.trained_on.clone(),
            samples: self.trained_samples.clone(),
            epochs: self.epochs,
            steps: self.steps,
            device: self.device.info().device.into_owned(),
            adapter: self.device.info().adapter,
            bytes: self.bytes,
        };
        let spec = TrainSpec { replicas: vec![self.spec.replicas[replica]], ..self.spec.clone() };
        let preprocessing = self.preprocessing.as_deref().cloned();
        Ok(ModelFile { model: self.model.clone(), spec, facts, preprocessing, weights })
    }

    /// The largest training set that lies on the device whole.
    pub(super) fn streaming_limit(&self) -> u64 {
        self.streaming_bytes.unwrap_or_else(|| self.device.largest_binding())
    }

    /// The session that a shape needs: the present one, or a new one that takes over parameters and optimizer state.
    pub(super) fn session(&mut self, shape: Shape) -> Result<&mut Session> {
        if self.session.as_ref().is_none_or(|session| session.shape != shape) {
            if let Some(old) = &mut self.session {
                self.carried = old.executor.read_state(Role::is_state)?;
            }
            // The old one goes first: the two might not fit side by side.
            self.session = None;
            let mut new = Session::new(&self.device, &self.model, &self.spec, shape, self.kernel_record.as_ref())?;
            new.executor.write_state(&self.carried)?;
            self.carried = State::default();
            self.session = Some(new);
        }
        self.session.as_mut().ok_or_else(|| Error::Device("no session".to_owned()))
    }

    /// The present session, or one in which the whole state can be read and written.
    pub(super) fn any_session(&mut self) -> Result<&mut Session> {
        let present = self.session.as_ref().map(|session| session.shape);
        self.session(present.map_or_else(|| self.usual_shape(), |shape| Shape { trains: true, ..shape }))
    }

    /// Whether there is state beside the model's: of an optimizer that has begun.
    fn has_begun(&self) -> bool {
        match &self.session {
            Some(session) => session.shape.trains,
            None => self.carried.len() > self.model.tensors().len(),
        }
    }

    /// The shape of a session that is for nothing in particular.
    pub(super) fn usual_shape(&self) -> Shape {
        let none = Features::F32(Array2::zeros((0, self.model.inputs)));
        let weighted = !self.spec.loss_options.class_weights.is_empty();
        let shape = Shape::evaluation(&none, self.spec.loss.usual_targets(), weighted, &self.spec);
        Shape { trains: true, ..shape }
    }

    pub(super) fn session_for_evaluation(
        &mut self,
        features: &Features,
        data: Option<&Dataset>,
    ) -> Result<&mut Session> {
        let present = self.session.as_ref().map(|session| session.shape);
        let wanted = data.map(|data| target_kind(data.targets()));
        let weighted = data.is_some_and(|data| weighted(data, &self.spec));
        let fits = |shape: &Shape| {
            let targets = wanted.is_none_or(|targets| targets == shape.targets);
            shape.samples == input_kind(features) && targets && (shape.weighted || !weighted)
        };
        let shape = present.filter(fits).unwrap_or_else(|| {
            let usual = self.spec.loss.usual_targets();
            let targets = wanted.or(present.map(|shape| shape.targets)).unwrap_or(usual);
            let weighted = weighted || !self.spec.loss_options.class_weights.is_empty();
            let shape = Shape::evaluation(features, targets, weighted, &self.spec);
            Shape { trains: self.has_begun(), ..shape }
        });
        self.session(shape)
    }

    /// Whether data and model fit.
    pub(super) fn check(&self, data: &Dataset, operation: &'static str) -> Result<()> {
        self.check_width(data.features(), operation)?;
        let outputs = self.model.outputs();
        match data.targets() {
            Targets::Classes(_) if data.classes() > outputs.max(2) => {
                let had = data.classes() - 1;
                let reason = format!("labels of {} reach {had}, but the output layer has {outputs} units", data.name());
                Err(Error::spec("output layer", reason))
            }
            Targets::Values(values) if values.ncols() != outputs => Err(Error::Shape {
                operation,
                tensor: format!("targets of {}", data.name()),
                wanted: format!("(N, {outputs}), as wide as the output layer,"),
                got: format!("{:?}", values.dim()),
            }),
            Targets::Classes(_) if self.spec.loss.head() == Head::Softmax && data.classes() > outputs => {
                let reason = format!("{} needs an output unit for each class", self.spec.loss);
                Err(Error::spec("output layer", reason))
            }
            _ => check_targets(data, &self.spec),
        }
    }

    fn check_width(&self, features: &Features, operation: &'static str) -> Result<()> {
        if features.inputs() == self.model.inputs {
            return Ok(());
        }
        Err(Error::Shape {
            operation,
            tensor: "samples".to_owned(),
            wanted: format!("(N, {}), as wide as the model's input,", self.model.inputs),
            got: format!("{:?}", features.dim()),
        })
    }
}
