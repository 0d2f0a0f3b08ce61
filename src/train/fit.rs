//! The training loop: it queues work, reads metrics behind it, and tells callbacks.

use std::time::{Duration, Instant};

use super::report::{Callback, EpochReport, Evaluation, History, Progress, RunInfo, Scores, StepReport};
use super::session::{Session, Shape, iterations};
use super::targets::{batch_weights, mean, row_weights};
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::executor::StepMetrics;
use crate::plan::{Iteration, ProgramId};
use crate::random::epoch_order;

/// The most steps queued between two looks at what has finished.
const MOST_STEPS_BETWEEN_LOOKS: usize = 128;
/// Queuing that takes longer means that the queue is full and the device slow: look more often.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long to train.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    epochs: usize,
    steps: Option<u64>,
    validation: Option<&'a Dataset>,
}

/// Trains for so many passes over the data.
pub fn epochs<'a>(epochs: usize) -> Fit<'a> {
    Fit { epochs, steps: None, validation: None }
}

impl<'a> Fit<'a> {
    /// Stops after so many steps, if that comes first.
    #[must_use]
    pub fn steps(mut self, steps: Option<u64>) -> Self {
        self.steps = steps;
        self
    }

    /// Evaluates on these samples after each epoch.
    #[must_use]
    pub fn validate(mut self, data: &'a Dataset) -> Self {
        self.validation = Some(data);
        self
    }
}

impl Trainer {
    /// Trains on a dataset. Losses are those before each step's update.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Shape`] where data and model do not fit; [`Error::Limit`] before anything is
    /// allocated; [`Error::NonFinite`] when a loss is NaN or infinite, after the parameters of the last finite epoch
    /// have been brought back; what the device reports.
    pub fn fit(&mut self, data: &Dataset, fit: Fit<'_>, callback: &mut dyn Callback) -> Result<History> {
        let started = Instant::now();
        self.check_fit(data, &fit)?;
        let shape = Shape::training(data, &self.spec, self.streaming_limit());
        let session = self.session(shape)?;
        let resident = session.resident(data.len());
        if resident {
            session.upload_all(data)?;
        }
        let run = self.run_info(data, &fit, !resident)?;
        callback.on_start(&run);
        self.trained_on = Some(data.name().to_owned());
        self.preprocessing = data.shared_preprocessing();
        let mut watch = Watch { started, first_step: None, left: fit.steps.unwrap_or(u64::MAX), look: 1 };
        let mut reports: Vec<EpochReport> = Vec::new();
        let (steps_before, mut training_seconds) = (self.steps, 0.0);
        self.keep()?;
        for epoch in 1..=fit.epochs {
            if watch.left == 0 {
                break;
            }
            let report = self.epoch(data, &fit, epoch, &mut watch, callback)?;
            training_seconds += report.seconds;
            callback.on_epoch(&report);
            reports.push(report);
        }
        Ok(History {
            run,
            epochs: reports,
            steps: u64::from(self.steps - steps_before),
            seconds: started.elapsed().as_secs_f64(),
            training_seconds,
            time_to_first_step: watch.first_step.unwrap_or_default(),
        })
    }

    fn check_fit(&self, data: &Dataset, fit: &Fit<'_>) -> Result<()> {
        self.check(data, "fit")?;
        if let Some(validation) = fit.validation {
            self.check(validation, "validate")?;
        }
        if fit.epochs == 0 {
            return Err(Error::spec("epochs", "must be at least 1, got 0"));
        }
        if self.spec.batch > data.len() {
            let (batch, samples) = (self.spec.batch, data.len());
            return Err(Error::spec("batch", format!("{batch} is more than the dataset's {samples} samples")));
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
            samples: data.len(),
            steps_per_epoch: data.len().div_ceil(self.spec.batch),
            epochs: fit.epochs,
            dispatches_per_step: steps,
            kernels: self.kernels(ProgramId::Train),
            streamed,
        })
    }

    fn epoch(
        &mut self,
        data: &Dataset,
        fit: &Fit<'_>,
        epoch: usize,
        watch: &mut Watch,
        callback: &mut dyn Callback,
    ) -> Result<EpochReport> {
        let started = Instant::now();
        let (seen, shuffle) = (self.epochs, self.spec.shuffle);
        let orders: Vec<_> =
            self.spec.replicas.iter().map(|r| epoch_order(r.seed, seen, data.len(), shuffle)).collect();
        let mut batches = iterations(data.len(), self.spec.batch, self.steps);
        batches.truncate(usize::try_from(watch.left).unwrap_or(usize::MAX));
        watch.left -= batches.len() as u64;
        let mut tally = Tally::new(epoch, batches.len(), orders.len(), started);
        let weights = batch_weights(row_weights(data, &self.spec).as_deref(), &orders, &batches);
        if let Err(error) = self.run(data, &orders, (&batches, &weights), &mut tally, watch, callback) {
            return Err(self.recover(error, tally.steps_finished == 0));
        }
        self.steps += batches.len() as u32;
        self.epochs += 1;
        let seconds = started.elapsed().as_secs_f64();
        let test = fit.validation.map(|validation| self.evaluate(validation)).transpose()?;
        self.check_validation(test.as_ref(), epoch)?;
        self.keep()?;
        Ok(EpochReport { epoch, train: tally.evaluation(), test, seconds, samples_per_second: tally.samples / seconds })
    }

    /// Queues an epoch's batches, chunk by chunk where samples stream.
    fn run(
        &mut self,
        data: &Dataset,
        orders: &[Vec<u32>],
        (batches, weights): (&[Iteration], &[f64]),
        tally: &mut Tally,
        watch: &mut Watch,
        callback: &mut dyn Callback,
    ) -> Result<()> {
        let learning_rates: Vec<f32> = self.spec.replicas.iter().map(|r| r.learning_rate).collect();
        let batch = self.spec.batch;
        let Some(session) = &mut self.session else { return Ok(()) };
        let resident = session.resident(data.len());
        if resident {
            session.write_order(orders)?;
        }
        let steps_per_chunk = if resident { batches.len().max(1) } else { session.shape.order / batch };
        let mut weights = weights;
        for chunk in batches.chunks(steps_per_chunk) {
            let mut chunk = chunk.to_vec();
            if !resident {
                let first = chunk[0].first;
                let count = chunk.iter().map(|i| i.rows as usize).sum();
                session.upload_chunk(data, orders, first as usize, count)?;
                chunk.iter_mut().for_each(|i| i.first -= first);
            }
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let (part, after) = rest.split_at(watch.look.min(rest.len()));
                let queued = Instant::now();
                let own;
                (own, weights) = weights.split_at(weights.len().min(part.len() * orders.len()));
                session.executor.submit_weighted(ProgramId::Train, part, own)?;
                // The very first step is waited for: its time is reported, and a device that fails does so here.
                let metrics = session.executor.metrics(watch.first_step.is_none())?;
                tally.take(metrics, &learning_rates, watch, callback)?;
                watch.adapt(queued.elapsed());
                rest = after;
            }
        }
        finish(session, tally, &learning_rates, watch, callback)
    }

    /// An epoch's last update may be the one that diverges: no step's loss shows it, but the validation does. The
    /// parameters from before the epoch come back.
    fn check_validation(&mut self, test: Option<&Evaluation>, epoch: usize) -> Result<()> {
        let scores = test.map_or(&[][..], |test| &test.replicas);
        let Some(replica) = scores.iter().position(|scores| !scores.loss.is_finite()) else { return Ok(()) };
        let error = Error::NonFinite {
            loss: scores[replica].loss as f32,
            step: u64::from(self.steps),
            epoch,
            replica,
            replicas: scores.len(),
            learning_rate: self.spec.replicas[replica].learning_rate,
            kept: None,
        };
        Err(self.recover(error, true))
    }

    fn keep(&mut self) -> Result<()> {
        let generation = self.epochs % 2;
        self.session.as_mut().map_or(Ok(()), |session| session.executor.keep_parameters(generation))
    }

    /// After a non-finite loss: brings back the last parameters known to be sound. Those kept last are not if already
    /// the first loss of an epoch is non-finite: it came from them.
    fn recover(&mut self, error: Error, first_step: bool) -> Error {
        if !matches!(error, Error::NonFinite { .. }) {
            return error;
        }
        let generation = if first_step && self.epochs > 0 { self.epochs - 1 } else { self.epochs } % 2;
        let Some(session) = &mut self.session else { return error };
        let restored = session.executor.metrics(true).and_then(|_| session.executor.restore_parameters(generation));
        restored.err().unwrap_or(error)
    }
}

/// Waits for the rest of an epoch's metrics.
fn finish(
    session: &mut Session,
    tally: &mut Tally,
    learning_rates: &[f32],
    watch: &mut Watch,
    callback: &mut dyn Callback,
) -> Result<()> {
    let rest = session.executor.metrics(true)?;
    tally.take(rest, learning_rates, watch, callback)
}

/// The clock of a run, and the steps it may still take.
struct Watch {
    started: Instant,
    first_step: Option<f64>,
    left: u64,
    /// Steps to queue before the next look at what has finished.
    look: usize,
}

impl Watch {
    fn adapt(&mut self, queuing: Duration) {
        let wanted = if queuing < PATIENCE { self.look * 2 } else { self.look / 2 };
        self.look = wanted.clamp(1, MOST_STEPS_BETWEEN_LOOKS);
    }
}

/// An epoch's metrics so far.
struct Tally {
    epoch: usize,
    steps: usize,
    steps_finished: usize,
    samples: f64,
    /// Loss, right answers, and weight, of each replica.
    sums: Vec<[f64; 3]>,
    started: Instant,
}

impl Tally {
    fn new(epoch: usize, steps: usize, replicas: usize, started: Instant) -> Self {
        Self { epoch, steps, steps_finished: 0, samples: 0.0, sums: vec![[0.0; 3]; replicas], started }
    }

    fn take(
        &mut self,
        metrics: Vec<StepMetrics>,
        learning_rates: &[f32],
        watch: &mut Watch,
        callback: &mut dyn Callback,
    ) -> Result<()> {
        if metrics.is_empty() {
            return Ok(());
        }
        watch.first_step.get_or_insert_with(|| watch.started.elapsed().as_secs_f64());
        for step in &metrics {
            let loss = step.loss();
            if !loss.is_finite() {
                return Err(self.non_finite(step, learning_rates));
            }
            let number = u64::from(step.iteration.number);
            callback.on_step(&StepReport { step: number, replica: step.replica, loss });
            self.sums[step.replica][0] += step.loss_sum;
            self.sums[step.replica][1] += step.right;
            self.sums[step.replica][2] += step.weight;
            self.samples += f64::from(step.iteration.rows);
            self.steps_finished += usize::from(step.replica + 1 == self.sums.len());
        }
        callback.on_progress(&self.progress());
        Ok(())
    }

    fn non_finite(&self, step: &StepMetrics, learning_rates: &[f32]) -> Error {
        Error::NonFinite {
            loss: step.loss(),
            step: u64::from(step.iteration.number),
            epoch: self.epoch,
            replica: step.replica,
            replicas: self.sums.len(),
            learning_rate: learning_rates[step.replica],
            kept: None,
        }
    }

    fn evaluation(&self) -> Evaluation {
        let count = self.samples / self.sums.len() as f64;
        let score = |[loss, right, weight]: &[f64; 3]| Scores { loss: mean(*loss, *weight), accuracy: right / count };
        Evaluation::of(self.sums.iter().map(score).collect())
    }

    fn progress(&self) -> Progress {
        let Evaluation { loss, accuracy, .. } = self.evaluation();
        let samples_per_second = self.samples / self.started.elapsed().as_secs_f64();
        let Self { epoch, steps, steps_finished: step, .. } = *self;
        Progress { epoch, step, steps, loss, accuracy, samples_per_second }
    }
}
