//! Fits: what is asked for, and how a run of it begins.

use super::epoch::Watch;
use super::event::{Event, Note};
use super::fit_state::{DataRecord, FitRecord, FitState, SampleRecord};
use super::report::{Callback, History, RunInfo};
use super::run::{Course, Phase, Run};
use super::saver::Checkpoints;
use super::session::{Shape, input_kind};
use super::stopping::EarlyStopping;
use super::targets::weighted;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::ops::InputKind;
use crate::plan::ProgramId;
use crate::platform::now;
use crate::state::State;

/// How long to train, what to validate on, when to stop, and where to write checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    pub(super) epochs: usize,
    steps: Option<u64>,
    validation: Option<&'a Dataset>,
    stopping: Option<EarlyStopping>,
    checkpoints: Option<&'a Checkpoints>,
}

/// Trains for so many passes over the data.
pub fn epochs<'a>(epochs: usize) -> Fit<'a> {
    Fit { epochs, steps: None, validation: None, stopping: None, checkpoints: None }
}

impl<'a> Fit<'a> {
    /// Stops after so many steps, if that comes first.
    #[must_use]
    pub fn steps(mut self, steps: impl Into<Option<u64>>) -> Self {
        self.steps = steps.into();
        self
    }

    /// Evaluates on these samples after each epoch; rows and targets must be of the same kind as those of the training.
    #[must_use]
    pub fn validate(mut self, data: &'a Dataset) -> Self {
        self.validation = Some(data);
        self
    }

    /// Stops when training has ceased to pay.
    #[must_use]
    pub fn early_stopping(mut self, rule: impl Into<Option<EarlyStopping>>) -> Self {
        self.stopping = rule.into();
        self
    }

    /// Keeps checkpoints there, from which the fit resumes after a stop or a crash ([`Trainer::resume`]).
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: impl Into<Option<&'a Checkpoints>>) -> Self {
        self.checkpoints = checkpoints.into();
        self
    }
}

/// A fit as a run keeps it.
pub(super) struct Settings {
    pub epochs: usize,
    pub steps: Option<u64>,
    pub validation: Option<Dataset>,
    pub stopping: Option<EarlyStopping>,
    pub checkpoints: Option<Checkpoints>,
}

impl Settings {
    /// By what the best epoch is told.
    pub fn rule(&self) -> EarlyStopping {
        self.stopping.unwrap_or_else(|| EarlyStopping::patience(usize::MAX))
    }

    /// Whether an epoch's weights may be wanted later.
    pub fn captures(&self, replicas: usize) -> bool {
        self.stopping.is_some_and(|rule| rule.restore_best || replicas > 1)
    }
}

impl From<Fit<'_>> for Settings {
    fn from(fit: Fit<'_>) -> Self {
        let Fit { epochs, steps, validation, stopping, checkpoints } = fit;
        Self { epochs, steps, validation: validation.cloned(), stopping, checkpoints: checkpoints.cloned() }
    }
}

impl Trainer {
    /// Trains on a dataset, to the end or until the callback asks to stop: [`Trainer::start`], pulled. Losses are those
    /// before each step's update.
    ///
    /// After [`Trainer::resume`] the first fit continues from the checkpoint: its epochs, steps and patience count
    /// from where the interrupted fit began, and the end is the same, bit for bit, as if there had been no interruption.
    ///
    /// # Errors
    /// As [`Trainer::start`] and [`Run::next`].
    pub fn fit(&mut self, data: &Dataset, fit: Fit<'_>, callback: &mut dyn Callback) -> Result<History> {
        let mut run = self.start(data, fit)?;
        while let Some(event) = run.next()? {
            if let Event::Finished(history) = event {
                return Ok(*history);
            }
            event.tell(callback);
            if callback.stop() {
                run.stop();
            }
        }
        panic!("a run ended without telling so")
    }

    /// Begins to train on a dataset: everything is in place for the first step, which [`Run::next`] takes, and nothing is
    /// written yet. The run shares the samples.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Shape`] where data, validation and model do not fit; [`Error::Limit`] before anything is
    /// allocated; [`Error::Resume`] where data, validation or stopping rule are not those of the checkpoint; what the
    /// device reports.
    pub fn start(&mut self, data: &Dataset, fit: Fit<'_>) -> Result<Run<'_>> {
        let course = self.course(data, fit)?;
        Ok(Run::borrowing(self, course))
    }

    /// [`Trainer::start`], of a run that owns its trainer.
    ///
    /// # Errors
    /// As there.
    pub fn into_run(mut self, data: &Dataset, fit: Fit<'_>) -> Result<Run<'static>> {
        let course = self.course(data, fit)?;
        Ok(Run::owning(self, course))
    }

    fn course(&mut self, data: &Dataset, fit: Fit<'_>) -> Result<Course> {
        let watch = Watch::new(now());
        self.check_fit(data, &fit)?;
        let goes_on = self.resumes_after().map(|(epochs, steps)| Note::GoesOn { epochs, steps });
        let changed = self.resume_note.clone().filter(|_| goes_on.is_some()).map(|what| Note::Changed { what });
        let (state, captured, newest) = self.stand(data, &fit)?;
        if self.session.is_none() {
            let report = self.memory(data)?;
            if fit.checkpoints.is_some() { report.with_checkpoints() } else { report }.check()?;
        }
        let mut shape = Shape::training(data, &self.spec, self.streaming_limit());
        // The validation goes through the same session.
        shape.weighted |= fit.validation.is_some_and(|validation| weighted(validation, &self.spec));
        let session = self.session(shape)?;
        let resident = session.resident(data.len());
        if resident {
            session.upload_all(data)?;
        }
        let info = self.run_info(data, &fit, !resident)?;
        self.trained_on = Some(data.name().to_owned());
        let divided = data.preprocessing().is_some_and(|known| known.split.is_some());
        self.trained_samples = divided.then(|| SampleRecord::of(data));
        self.bytes = input_kind(data.features()) == InputKind::SamplesU8;
        self.preprocessing = data.shared_preprocessing();
        self.keep_both()?;
        let on_cpu = self.device.note().map(|reason| Note::OnCpu { reason: reason.to_owned() });
        let kernels = self.device.kernel_note().map(|reason| Note::DefaultKernels { reason: reason.to_owned() });
        let notes = [on_cpu, kernels, goes_on, changed].into_iter().flatten().map(Event::Note);
        let events = notes.chain([Event::Started(Box::new(info.clone()))]).collect();
        let (fit, data, phase) = (fit.into(), data.clone(), Phase::Beginning(newest));
        let (run, saver, error, asked, cut_short) = (None, None, None, false, None);
        Ok(Course { fit, data, info, state, captured, watch, run, saver, phase, events, error, asked, cut_short })
    }

    fn check_fit(&self, data: &Dataset, fit: &Fit<'_>) -> Result<()> {
        self.check(data, "fit")?;
        if let Some(validation) = fit.validation {
            self.check(validation, "validate")?;
            validation.check_kind(data, "validate", "validation")?;
        }
        if fit.epochs == 0 {
            return Err(Error::spec("epochs", "must be at least 1, got 0"));
        }
        if let Some(rule) = fit.stopping {
            if rule.monitor.needs_validation() && fit.validation.is_none() {
                let reason =
                    "early stopping monitors validation, but there is no validation set; monitor the train loss";
                return Err(Error::spec("monitor", reason));
            }
            if !(rule.min_delta.is_finite() && rule.min_delta >= 0.0) {
                let reason = format!("must be a finite number of at least 0, got {}", rule.min_delta);
                return Err(Error::spec("min delta", reason));
            }
        }
        if self.spec.batch > data.len() {
            let (batch, samples) = (self.spec.batch, data.len());
            return Err(Error::spec("batch", format!("{batch} is more than the dataset's {samples} samples")));
        }
        if self.spec.optimizer.full_batch() && self.spec.batch < data.len() {
            let (batch, samples) = (self.spec.batch, data.len());
            let reason = format!("gradient descent takes all {samples} samples a step, got {batch}; sgd takes fewer");
            return Err(Error::spec("batch", reason));
        }
        if self.model.has_batch_norm() && data.len() % self.spec.batch == 1 {
            let (batch, samples) = (self.spec.batch, data.len());
            let reason = format!(
                "{batch} leaves a last batch of 1 of {samples} samples, but batch norm needs at least 2; use another"
            );
            return Err(Error::spec("batch", reason));
        }
        Ok(())
    }

    fn run_info(&self, data: &Dataset, fit: &Fit<'_>, streamed: bool) -> Result<RunInfo> {
        let steps = self.session.as_ref().map_or(0, |s| s.executor.plan().program(ProgramId::Train).steps.len());
        Ok(RunInfo {
            device: self.device.info(),
            architecture: self.model.architecture(),
            parameters: self.model.parameters(),
            replicas: self.spec.replicas.len(),
            classes: data.classes() > 0,
            samples: data.len(),
            steps_per_epoch: data.len().div_ceil(self.spec.batch),
            epochs: fit.epochs,
            dispatches_per_step: steps,
            precision: self.spec.precision,
            kernels: self.kernels(ProgramId::Train),
            streamed,
        })
    }

    /// Where a fit stands at its start: at its beginning, or where the checkpoint that was loaded stands.
    fn stand(&mut self, data: &Dataset, fit: &Fit<'_>) -> Result<(FitState, State, Option<std::path::PathBuf>)> {
        let resumed = self.resumed.take();
        if fit.checkpoints.is_none() && resumed.is_none() {
            // Nothing will ever be compared with these records.
            let asked = FitRecord { data: DataRecord::default(), validation: None, stopping: fit.stopping };
            return Ok((FitState::new(asked, &self.spec.replicas), State::default(), None));
        }
        let asked = FitRecord {
            data: DataRecord::of(data),
            validation: fit.validation.map(DataRecord::of),
            stopping: fit.stopping,
        };
        match resumed {
            Some(resumed) => {
                if let Err(error) = resumed.check(&asked, fit.epochs) {
                    // The next fit may be asked for what this one was not.
                    self.resumed = Some(resumed);
                    return Err(error);
                }
                Ok((FitState { asked, ..resumed.state }, resumed.best, Some(resumed.path)))
            }
            None => Ok((FitState::new(asked, &self.spec.replicas), State::default(), None)),
        }
    }
}
