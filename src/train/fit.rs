//! Fits: what is asked for, and the run over epochs.

use std::time::Instant;

use super::epoch::Watch;
use super::fit_state::{DataRecord, FitRecord, FitState, SampleRecord};
use super::report::{Callback, End, EpochReport, Evaluation, History, RunInfo};
use super::saver::{Checkpoints, Saver};
use super::session::{Shape, input_kind};
use super::stopping::{EarlyStopping, Verdict};
use super::targets::weighted;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::ops::InputKind;
use crate::plan::ProgramId;
use crate::state::State;

/// How long to train, on what to judge it, when to stop, and where to keep it.
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

    /// Keeps checkpoints there, from which the fit goes on after a stop or a crash ([`Trainer::resume`]).
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: impl Into<Option<&'a Checkpoints>>) -> Self {
        self.checkpoints = checkpoints.into();
        self
    }

    /// By what the best epoch is told.
    fn rule(&self) -> EarlyStopping {
        self.stopping.unwrap_or_else(|| EarlyStopping::patience(usize::MAX))
    }

    /// Whether an epoch's weights may be wanted later.
    fn captures(&self, replicas: usize) -> bool {
        self.stopping.is_some_and(|rule| rule.restore_best || replicas > 1)
    }
}

/// A fit under way.
pub(super) struct Run<'a> {
    pub fit: Fit<'a>,
    pub data: &'a Dataset,
    pub state: FitState,
    /// The model's tensors of each replica's best epoch, or of its last.
    pub captured: State,
    pub watch: Watch,
    pub saver: Option<Saver>,
    pub callback: &'a mut dyn Callback,
}

impl Run<'_> {
    /// Steps so far, those within the present epoch included.
    pub fn steps(&self) -> u64 {
        self.state.steps + self.state.steps_within_epoch() as u64
    }

    /// Steps that it may still take.
    pub fn steps_left(&self) -> u64 {
        self.fit.steps.map_or(u64::MAX, |most| most.saturating_sub(self.steps()))
    }
}

impl Trainer {
    /// Trains on a dataset. Losses are those before each step's update.
    ///
    /// After [`Trainer::resume`] the first fit goes on where the checkpoint stands: its epochs, steps and patience count
    /// from where the interrupted fit began, and the end is the same, bit for bit, as if there had been no interruption.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Shape`] where data, validation and model do not fit; [`Error::Limit`] before anything is
    /// allocated; [`Error::Resume`] where data, validation or stopping rule are not those of the checkpoint;
    /// [`Error::NonFinite`] when a loss is NaN or infinite, after the parameters of the last finite epoch have been
    /// brought back; [`Error::Io`] when a checkpoint cannot be written; what the device reports.
    pub fn fit(&mut self, data: &Dataset, fit: Fit<'_>, callback: &mut dyn Callback) -> Result<History> {
        let started = Instant::now();
        self.check_fit(data, &fit)?;
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
        callback.on_start(&info);
        self.trained_on = Some(data.name().to_owned());
        let divided = data.preprocessing().is_some_and(|known| known.split.is_some());
        self.trained_samples = divided.then(|| SampleRecord::of(data));
        self.bytes = input_kind(data.features()) == InputKind::SamplesU8;
        self.preprocessing = data.shared_preprocessing();
        self.keep_both()?;
        let saver = fit.checkpoints.map(|settings| Saver::start(settings, newest.as_deref())).transpose()?;
        let watch = Watch::new(started);
        let mut run = Run { fit, data, state, captured, watch, saver, callback };
        self.checkpoint(&mut run)?;
        let (end, reports) = self.run(&mut run)?;
        run.saver.take().map_or(Ok(()), Saver::finish)?;
        self.bring_back(&run)?;
        let training_seconds = run.state.training_seconds;
        let (steps, seconds) = (run.steps(), started.elapsed().as_secs_f64());
        let time_to_first_step = run.watch.first_step.unwrap_or_default();
        Ok(History { run: info, epochs: reports, steps, seconds, training_seconds, time_to_first_step, end })
    }

    /// Epoch after epoch; gives why it ended, and what there is to report.
    fn run(&mut self, run: &mut Run<'_>) -> Result<(End, Vec<EpochReport>)> {
        loop {
            if run.fit.stopping.is_some() && run.state.has_stopped() {
                return Ok((End::Stopped, run.state.reports.clone()));
            }
            if run.state.reports.len() >= run.fit.epochs {
                return Ok((End::Epochs, run.state.reports.clone()));
            }
            if run.steps_left() == 0 && run.state.position.is_none() {
                return Ok((End::Steps, run.state.reports.clone()));
            }
            if run.callback.stop() {
                self.checkpoint(run)?;
                return Ok((End::Asked, run.state.reports.clone()));
            }
            let Some(whole) = self.epoch(run)? else { return Ok((End::Asked, run.state.reports.clone())) };
            let report = self.close_epoch(run, whole)?;
            if !whole {
                let reports = run.state.reports.iter().cloned().chain([report]).collect();
                return Ok((End::Steps, reports));
            }
        }
    }

    /// After an epoch's last step: validation, the best, what is kept. One that a limit on steps cut short is reported,
    /// but its checkpoint stands within it, so that more steps can follow.
    fn close_epoch(&mut self, run: &mut Run<'_>, whole: bool) -> Result<EpochReport> {
        if !whole {
            self.checkpoint(run)?;
        }
        let Some(position) = run.state.position.clone() else {
            return Err(Error::Device("an epoch ended without a step".to_owned()));
        };
        let pace = self.pace(run);
        self.steps += position.batches as u32;
        let learning_rates = self.learning_rates(&pace, self.steps);
        self.epochs += 1;
        let epoch = run.state.reports.len() + 1;
        let validation = run.fit.validation.map(|samples| self.validate(samples)).transpose()?;
        self.check_validation(validation.as_ref(), epoch, &learning_rates)?;
        self.keep(self.epochs)?;
        let (train, seconds) = (position.evaluation(), position.seconds);
        if whole {
            self.note_losses(&mut run.state.plateaus, validation.as_ref().unwrap_or(&train));
        }
        let samples_per_second = position.samples / seconds;
        let report = EpochReport { epoch, train, validation, learning_rates, seconds, samples_per_second };
        run.callback.on_epoch(&report);
        run.state.training_seconds += seconds;
        self.judge(run, &report)?;
        if whole {
            run.state.steps += position.batches as u64;
            run.state.position = None;
            run.state.reports.push(report.clone());
            let over = run.state.reports.len() >= run.fit.epochs || run.steps_left() == 0;
            let over = over || (run.fit.stopping.is_some() && run.state.has_stopped());
            if over || run.saver.as_ref().is_some_and(|saver| saver.is_due(run.steps(), true)) {
                self.checkpoint(run)?;
            }
        }
        Ok(report)
    }

    /// Notes which replicas were never better before, and keeps what may be wanted later.
    fn judge(&mut self, run: &mut Run<'_>, report: &EpochReport) -> Result<()> {
        let (rule, stops) = (run.fit.rule(), run.fit.stopping.is_some());
        let standings = run.state.standings.iter_mut().enumerate();
        let verdicts: Vec<_> =
            standings.map(|(replica, standing)| standing.judge(&rule, stops, report, replica)).collect();
        let wanted = |verdict: &Verdict| if rule.restore_best { verdict.best } else { verdict.stops };
        let chosen: Vec<_> = verdicts.iter().map(wanted).collect();
        if run.fit.captures(verdicts.len()) && chosen.contains(&true) {
            let now = self.model_tensors()?;
            if run.captured.is_empty() {
                run.captured = now;
            } else {
                run.captured.take(&now, &chosen)?;
            }
        }
        if verdicts[0].best && run.saver.is_some() {
            let model = self.to_file(0)?;
            run.saver.iter_mut().for_each(|saver| saver.offer_best(model.clone()));
        }
        Ok(())
    }

    /// When a run with early stopping is over: each replica's best weights, or those with which it stopped.
    fn bring_back(&mut self, run: &Run<'_>) -> Result<()> {
        let Some(rule) = run.fit.stopping else { return Ok(()) };
        if run.captured.is_empty() {
            return Ok(());
        }
        let chosen: Vec<_> =
            run.state.standings.iter().map(|standing| rule.restore_best || standing.has_stopped()).collect();
        let mut now = self.model_tensors()?;
        now.take(&run.captured, &chosen)?;
        self.any_session()?.executor.write_state(&now)
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
                    "early stopping watches the validation, but there is no validation set; watch the train loss";
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

    /// An epoch's last update may be the one that diverges: no step's loss shows it, but the validation does. The
    /// parameters from before the epoch come back.
    fn check_validation(&mut self, test: Option<&Evaluation>, epoch: usize, learning_rates: &[f32]) -> Result<()> {
        let scores = test.map_or(&[][..], |test| &test.replicas);
        let Some(replica) = scores.iter().position(|scores| !scores.loss.is_finite()) else { return Ok(()) };
        let error = Error::NonFinite {
            loss: scores[replica].loss as f32,
            step: u64::from(self.steps),
            epoch,
            replica,
            replicas: scores.len(),
            learning_rate: learning_rates[replica],
            precision: self.spec.precision,
            kept: None,
        };
        Err(self.recover(error, true))
    }

    fn keep(&mut self, epochs: usize) -> Result<()> {
        self.session.as_mut().map_or(Ok(()), |session| session.executor.keep_parameters(epochs % 2))
    }

    /// Before the first step: nothing older is known on this device.
    fn keep_both(&mut self) -> Result<()> {
        self.keep(self.epochs)?;
        self.keep(self.epochs + 1)
    }

    /// After a non-finite loss: brings back the last parameters known to be sound. Those kept last are not if already
    /// the first loss of an epoch is non-finite: it came from them.
    pub(super) fn recover(&mut self, mut error: Error, first_step: bool) -> Error {
        let Error::NonFinite { precision, .. } = &mut error else { return error };
        *precision = self.spec.precision;
        let generation = if first_step && self.epochs > 0 { self.epochs - 1 } else { self.epochs } % 2;
        let Some(session) = &mut self.session else { return error };
        let restored = session.executor.metrics(true).and_then(|_| session.executor.restore_parameters(generation));
        restored.err().unwrap_or(error)
    }
}
