//! A run whose data are read, and which is yet to start.

use std::path::Path;

use super::RunSpec;
use crate::data::{Dataset, Parts, Targets};
use crate::error::{Error, Result};
use crate::ops::Loss;
use crate::plan::MemoryReport;
use crate::spec::Sequential;
use crate::train::{Device, Note, Run, Trainer, TrainerBuilder, epochs};

/// Targets that spread so much more or less than the outputs of fresh layers, by which factor they are far from them.
const FAR: f64 = 10.0;

/// A [`RunSpec`] resolved against its data.
pub struct Prepared {
    /// The spec, with resolved defaults: loss, batch, epochs.
    pub spec: RunSpec,
    /// The samples.
    pub parts: Parts,
    /// The model.
    pub model: Sequential,
    builder: TrainerBuilder,
}

impl Prepared {
    pub(super) fn new(mut spec: RunSpec, parts: Parts, device: Device) -> Result<Self> {
        let data = &parts.train;
        let batch = spec.training.batch_of(data.len());
        if batch > data.len() {
            let (samples, name) = (data.len(), data.name());
            let reason = format!("{batch} is more than the {samples} training samples of {name}; make it at most that");
            return Err(Error::spec("batch", reason));
        }
        let loss = spec.training.loss_for(data);
        let model = spec.model.model(data, loss);
        let builder = spec.training.builder(model.clone(), data, device)?;
        spec.training.loss = Some(loss);
        spec.training.batch = Some(batch);
        spec.fit.epochs = Some(spec.fit.epochs_of(data.len(), batch));
        Ok(Self { spec, parts, model, builder })
    }

    /// The required and the available memory.
    ///
    /// # Errors
    /// As [`TrainerBuilder::memory`].
    pub fn memory(&self) -> Result<MemoryReport> {
        let report = self.builder.memory(&self.parts.train)?;
        Ok(if self.spec.fit.checkpoints.is_some() { report.with_checkpoints() } else { report })
    }

    /// A trainer at the beginning of the run.
    ///
    /// # Errors
    /// As [`TrainerBuilder::build`]; [`Error::Model`] for a file to start from that is not of this model.
    pub fn trainer(&self) -> Result<Trainer> {
        let start = self.spec.model.first_layers(&self.model)?;
        let mut trainer = self.builder.clone().build()?;
        if let Some(layers) = start {
            trainer.set_first_layers(&layers)?;
        }
        Ok(trainer)
    }

    /// A trainer where the latest checkpoint of a directory stands.
    ///
    /// # Errors
    /// As [`TrainerBuilder::resume`].
    pub fn resume(&self, directory: &Path) -> Result<Trainer> {
        self.builder.clone().resume(directory)
    }

    /// The samples evaluated after each epoch: the validation part, else the test part.
    pub fn watched(&self) -> Option<&Dataset> {
        self.parts.validation.as_ref().or(self.parts.test.as_ref())
    }

    /// Starts the run of a trainer that [`Prepared::trainer`] or [`Prepared::resume`] gave. It shares the samples, and its
    /// checkpoints carry the spec ([`RunSpec::load`]).
    ///
    /// # Errors
    /// As [`Trainer::start`]; [`Error::Spec`] for a path in the spec that is not UTF-8, which checkpoints cannot carry.
    pub fn start(&self, trainer: Trainer) -> Result<Run<'static>> {
        let fit = &self.spec.fit;
        let asked = epochs(fit.epochs_of(self.parts.train.len(), self.spec.training.batch_of(self.parts.train.len())));
        let asked = asked.steps(fit.steps).early_stopping(fit.stopping).checkpoints(fit.checkpoints.as_ref());
        let asked = self.watched().into_iter().fold(asked, |asked, watched| asked.validate(watched));
        let described = fit.checkpoints.as_ref().map(|_| self.spec.carried()).transpose()?;
        let mut run = trainer.into_run(&self.parts.train, asked)?;
        run.note_start(self.notes());
        described.into_iter().for_each(|described| run.describe(described));
        Ok(run)
    }

    /// Warnings about settings that are probably unintended.
    fn notes(&self) -> Vec<Note> {
        let watches = self.spec.fit.stopping.is_some_and(|rule| rule.monitor.needs_validation());
        let flatters = watches && self.parts.validation.is_none() && self.parts.test.is_some();
        let train = &self.parts.train;
        let scaled = train.preprocessing().is_some_and(|known| known.targets.iter().any(|target| target.scale != 1.0));
        let spread = spread(train).filter(|spread| !scaled && !(1.0 / FAR..=FAR).contains(spread));
        let of_values = matches!(
            self.spec.training.loss_for(train),
            Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber
        );
        let flatters = flatters.then_some(Note::WatchesTest);
        let unscaled = spread.filter(|_| of_values).map(|deviation| Note::TargetsFar { deviation });
        flatters.into_iter().chain(unscaled).collect()
    }
}

/// The largest standard deviation of a target that is a value.
fn spread(data: &Dataset) -> Option<f64> {
    let Targets::Values(values) = data.targets() else { return None };
    let deviation = |column: ndarray::ArrayView1<'_, f32>| column.mapv(f64::from).std(0.0);
    values.columns().into_iter().map(deviation).max_by(f64::total_cmp)
}
