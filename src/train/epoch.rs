//! One epoch: it queues work, reads metrics behind it, and makes events of them.

use std::time::Duration;

use rayon::prelude::*;

use super::event::{Event, StepsReport};
use super::fit_state::Position;
use super::report::{End, Evaluation, Progress, Scores, StepReport};
use super::run::{Course, Phase};
use super::session::{Session, iterations};
use super::targets::{batch_weights, mean, row_weights};
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::executor::StepMetrics;
use crate::plan::ProgramId;
use crate::platform::{Instant, now};
use crate::precision::Precision;
use crate::random::epoch_order;
use crate::schedule::Pace;
use crate::tensor::Iteration;

/// The most steps queued between two looks at what has finished.
const MOST_STEPS_BETWEEN_LOOKS: usize = 128;
/// Queuing that takes longer means that the queue is full and the device slow: look more often.
const PATIENCE: Duration = Duration::from_millis(100);

/// An epoch under way.
pub(super) struct Epoch {
    /// Each replica's order of the samples.
    orders: Vec<Vec<u32>>,
    /// The batches that were still to come when it began, or went on.
    batches: Vec<Iteration>,
    /// (batches, R): what the rows of each batch weigh together; none where all count 1.
    weights: Vec<f64>,
    /// Whether these are all batches of the epoch.
    whole: bool,
    /// Steps of it that were done before.
    before: usize,
    /// Of the batches, how many are submitted, and how many have their samples on the device.
    submitted: usize,
    uploaded: usize,
    /// Where in the epoch's order the samples on the device begin.
    first: u32,
    pace: Pace,
    tally: Tally,
    /// Whether steps were submitted since somebody last looked whether to stop, or to take a checkpoint.
    unwatched: bool,
}

impl Epoch {
    /// Steps of the epoch that are submitted, those that were done before it went on included.
    pub fn steps_queued(&self) -> usize {
        self.before + self.submitted
    }
}

impl Trainer {
    /// An epoch, or what is left of it, up to the limit on steps.
    pub(super) fn begin_epoch(&mut self, course: &mut Course) -> Result<Epoch> {
        let (seen, shuffle, len) = (self.epochs, self.spec.shuffle, course.data.len());
        let replicas = self.spec.replicas.par_iter();
        let orders: Vec<_> = replicas.map(|r| epoch_order(r.seed, seen, len, shuffle)).collect();
        self.check_steps(len.div_ceil(self.spec.batch))?;
        let all = iterations(len, self.spec.batch, self.steps);
        let mut tally = Tally::new(course.state.reports.len() + 1, all.len(), orders.len());
        if let Some(position) = course.state.position.take() {
            tally.go_on(position);
        }
        course.state.position = Some(tally.position());
        let before = tally.steps_finished;
        let left = usize::try_from(course.steps_left()).unwrap_or(usize::MAX);
        let last = all.len().min(before.saturating_add(left));
        let batches = all[before..last].to_vec();
        let weights = batch_weights(row_weights(&course.data, &self.spec).as_deref(), &orders, &batches);
        let pace = self.pace(course);
        let session = self.open_session()?;
        session.executor.set_pace(pace.clone());
        if session.resident(len) {
            session.write_order(&orders)?;
        }
        let whole = last == all.len();
        let (submitted, uploaded, first, unwatched) = (0, 0, 0, false);
        Ok(Epoch { orders, batches, weights, whole, before, submitted, uploaded, first, pace, tally, unwatched })
    }

    /// Whether so many more optimizer steps can be counted.
    fn check_steps(&self, more: usize) -> Result<()> {
        match u64::from(self.steps) + more as u64 > u64::from(u32::MAX) {
            false => Ok(()),
            true => {
                let (steps, most) = (self.steps, u32::MAX);
                let reason =
                    format!("after {steps} steps another epoch of {more} is more than the {most} that are counted");
                Err(Error::spec("steps", format!("{reason}; save the model, and start anew from its weights")))
            }
        }
    }

    /// Continues an epoch: submits some steps, and sees which have finished; or waits for all that are queued, where the
    /// epoch is over, a checkpoint is due, or somebody asked to stop.
    pub(super) fn go_on_with(&mut self, course: &mut Course, mut epoch: Box<Epoch>) -> Result<()> {
        let done = match std::mem::take(&mut epoch.unwatched) {
            true => self.look_after(course, &mut epoch),
            false => self.train_some(course, &mut epoch).map(|()| false),
        };
        match done {
            Ok(true) => {
                self.steps += epoch.tally.steps_finished as u32;
                self.finish(course, End::Asked)
            }
            Ok(false) if matches!(course.phase, Phase::Trained { .. }) => Ok(()),
            Ok(false) => {
                course.phase = Phase::Within(epoch);
                Ok(())
            }
            Err(error) => Err(self.recover(error, epoch.tally.steps_finished == 0)),
        }
    }

    /// Takes a checkpoint if it is time for one or somebody asked to stop; gives whether to stop.
    fn look_after(&mut self, course: &mut Course, epoch: &mut Epoch) -> Result<bool> {
        let steps = course.state.steps + epoch.steps_queued() as u64;
        let due = course.saver.as_ref().is_some_and(|saver| saver.is_due(steps, false));
        if due || course.asked {
            self.take_metrics(course, epoch, true)?;
            course.state.position = Some(epoch.tally.position());
            self.checkpoint(course)?;
        }
        Ok(course.asked)
    }

    fn train_some(&mut self, course: &mut Course, epoch: &mut Epoch) -> Result<()> {
        if epoch.submitted == epoch.batches.len() {
            self.take_metrics(course, epoch, true)?;
            course.state.position = Some(epoch.tally.position());
            course.phase = Phase::Trained { whole: epoch.whole };
            return Ok(());
        }
        if epoch.submitted == epoch.uploaded {
            self.upload_next(course, epoch)?;
        }
        let steps = course.state.steps + epoch.steps_queued() as u64;
        let next = course.saver.as_ref().map_or(usize::MAX, |saver| saver.steps_left(steps));
        let count = course.watch.look.min(epoch.uploaded - epoch.submitted).min(next);
        let range = epoch.submitted..epoch.submitted + count;
        let mut part = epoch.batches[range.clone()].to_vec();
        part.iter_mut().for_each(|iteration| iteration.first -= epoch.first);
        let weights = match &epoch.weights[..] {
            [] => &[],
            all => &all[range.start * epoch.orders.len()..range.end * epoch.orders.len()],
        };
        let queued = now();
        self.open_session()?.executor.submit_weighted(ProgramId::Train, &part, weights)?;
        epoch.submitted += count;
        epoch.unwatched = true;
        // The very first step is waited for: its time is reported, and a device that fails does so here.
        self.take_metrics(course, epoch, course.watch.first_step.is_none())?;
        course.watch.adapt(queued.elapsed());
        Ok(())
    }

    /// Brings the samples of the next batches to the device: of all that are left, or, where samples stream, of one chunk.
    fn upload_next(&mut self, course: &Course, epoch: &mut Epoch) -> Result<()> {
        let batch = self.spec.batch;
        let session = self.open_session()?;
        if session.resident(course.data.len()) {
            epoch.uploaded = epoch.batches.len();
            return Ok(());
        }
        let last = epoch.batches.len().min(epoch.uploaded + session.shape.order / batch);
        let chunk = &epoch.batches[epoch.uploaded..last];
        let count = chunk.iter().map(|iteration| iteration.rows as usize).sum();
        session.upload_chunk(&course.data, &epoch.orders, chunk[0].first as usize, count)?;
        (epoch.first, epoch.uploaded) = (chunk[0].first, last);
        Ok(())
    }

    /// Tells of the steps that have finished, or waits for all that are queued.
    fn take_metrics(&mut self, course: &mut Course, epoch: &mut Epoch, wait: bool) -> Result<()> {
        let metrics = self.open_session()?.executor.metrics(wait)?;
        if metrics.is_empty() {
            return Ok(());
        }
        course.watch.first_step.get_or_insert_with(|| course.watch.started.elapsed().as_secs_f64());
        let Epoch { tally, pace, .. } = epoch;
        let rate = |r: usize, number: u32| self.spec.replicas[r].rate(r, pace, number) as f32;
        let (steps, taken) = tally.take(&metrics, &rate);
        if !steps.is_empty() {
            course.events.push_back(Event::Steps(StepsReport { steps, progress: tally.progress() }));
        }
        taken
    }

    fn open_session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Error::Device("no session".to_owned()))
    }
}

/// The learning rate of a replica at an optimizer step.
type Rate<'a> = &'a dyn Fn(usize, u32) -> f32;

/// The clock of a run.
pub(super) struct Watch {
    pub started: Instant,
    pub first_step: Option<f64>,
    /// Steps to queue before the next look at what has finished.
    look: usize,
}

impl Watch {
    pub fn new(started: Instant) -> Self {
        Self { started, first_step: None, look: 1 }
    }

    /// Seconds since the run began.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

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
    /// Of the epoch, before an interruption.
    seconds_before: f64,
}

impl Tally {
    fn new(epoch: usize, steps: usize, replicas: usize) -> Self {
        let (sums, started) = (vec![[0.0; 3]; replicas], now());
        Self { epoch, steps, steps_finished: 0, samples: 0.0, sums, started, seconds_before: 0.0 }
    }

    fn go_on(&mut self, position: Position) {
        (self.steps_finished, self.samples, self.sums) = (position.batches, position.samples, position.sums);
        self.seconds_before = position.seconds;
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    fn position(&self) -> Position {
        let (batches, sums, samples) = (self.steps_finished, self.sums.clone(), self.samples);
        Position { batches, sums, samples, seconds: self.seconds() }
    }

    /// Adds steps to the sums; gives those before the first whose loss is not finite, and that one's error.
    fn take(&mut self, metrics: &[StepMetrics], rate: Rate<'_>) -> (Vec<StepReport>, Result<()>) {
        let mut steps = Vec::with_capacity(metrics.len());
        for step in metrics {
            let loss = step.loss();
            if !loss.is_finite() {
                return (steps, Err(self.non_finite(step, rate)));
            }
            let number = u64::from(step.iteration.number);
            let StepMetrics { replica, gradient_norm, .. } = *step;
            steps.push(StepReport { step: number, replica, loss, gradient_norm });
            self.sums[step.replica][0] += step.loss_sum;
            self.sums[step.replica][1] += step.right;
            self.sums[step.replica][2] += step.weight;
            self.samples += f64::from(step.iteration.rows);
            self.steps_finished += usize::from(step.replica + 1 == self.sums.len());
        }
        (steps, Ok(()))
    }

    fn non_finite(&self, step: &StepMetrics, rate: Rate<'_>) -> Error {
        Error::NonFinite {
            loss: step.loss(),
            step: u64::from(step.iteration.number),
            epoch: self.epoch,
            replica: step.replica,
            replicas: self.sums.len(),
            learning_rate: rate(step.replica, step.iteration.number),
            precision: Precision::F32,
            kept: None,
        }
    }

    fn progress(&self) -> Progress {
        let position = self.position();
        let Evaluation { loss, accuracy, .. } = position.evaluation();
        let samples_per_second = self.samples / position.seconds;
        let Self { epoch, steps, steps_finished: step, .. } = *self;
        Progress { epoch, step, steps, loss, accuracy, samples_per_second }
    }
}

impl Position {
    /// The epoch's means so far.
    pub fn evaluation(&self) -> Evaluation {
        let count = self.samples / self.sums.len() as f64;
        let score = |[loss, right, weight]: &[f64; 3]| Scores::new(mean(*loss, *weight), right / count);
        Evaluation::of(self.sums.iter().map(score).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Activation, Loss};
    use crate::spec::{Adam, Sequential};
    use crate::train::{Device, epochs};

    /// A step more would be the first again, with corrections of no steps at all.
    #[test]
    fn steps_that_cannot_be_counted_are_refused() {
        let xor = crate::datasets::xor().unwrap();
        let model = Sequential::new(2).dense(4, Activation::Tanh).dense(2, Activation::Linear);
        let builder = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.05)).device(Device::cpu());
        let mut trainer = builder.batch_size(2).build().unwrap();
        trainer.steps = u32::MAX - 3;
        trainer.fit(&xor, epochs(1), &mut ()).unwrap();
        assert_eq!(trainer.steps, u32::MAX - 1);
        let error = trainer.fit(&xor, epochs(1), &mut ()).unwrap_err().to_string();
        assert!(error.starts_with("steps: after 4294967294 steps another epoch of 2"), "{error}");
    }
}
