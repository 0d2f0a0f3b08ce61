//! One epoch: it queues work, reads metrics behind it, and tells callbacks.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::fit::Run;
use super::fit_state::Position;
use super::report::{Evaluation, Progress, Scores, StepReport};
use super::session::{Session, iterations};
use super::targets::{batch_weights, mean, row_weights};
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::executor::StepMetrics;
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::random::epoch_order;
use crate::tensor::Iteration;

/// The most steps queued between two looks at what has finished.
const MOST_STEPS_BETWEEN_LOOKS: usize = 128;
/// Queuing that takes longer means that the queue is full and the device slow: look more often.
const PATIENCE: Duration = Duration::from_millis(100);

/// The batches of an epoch that are still to come, and each replica's order of the samples.
struct Batches {
    orders: Vec<Vec<u32>>,
    rest: Vec<Iteration>,
    /// (steps, R): what the rows of each batch weigh together; none where all count 1.
    weights: Vec<f64>,
}

impl Trainer {
    /// Trains for an epoch, or for what is left of it, up to the limit on steps. Gives whether that was all of it, and
    /// nothing where the callback stopped it; `run.state.position` is then how far it came.
    pub(super) fn epoch(&mut self, run: &mut Run<'_>) -> Result<Option<bool>> {
        let (seen, shuffle, len) = (self.epochs, self.spec.shuffle, run.data.len());
        let replicas = self.spec.replicas.par_iter();
        let orders: Vec<_> = replicas.map(|r| epoch_order(r.seed, seen, len, shuffle)).collect();
        self.check_steps(len.div_ceil(self.spec.batch))?;
        let all = iterations(len, self.spec.batch, self.steps);
        let mut tally = Tally::new(run.state.reports.len() + 1, all.len(), orders.len());
        if let Some(position) = run.state.position.take() {
            tally.go_on(position);
        }
        run.state.position = Some(tally.position());
        let first = tally.steps_finished;
        let left = usize::try_from(run.steps_left()).unwrap_or(usize::MAX);
        let last = all.len().min(first.saturating_add(left));
        let rest = all[first..last].to_vec();
        let weights = batch_weights(row_weights(run.data, &self.spec).as_deref(), &orders, &rest);
        let batches = Batches { orders, rest, weights };
        match self.run_batches(run, &batches, &mut tally) {
            Ok(stopped) => {
                run.state.position = Some(tally.position());
                if stopped {
                    self.steps += tally.steps_finished as u32;
                    return Ok(None);
                }
                Ok(Some(last == all.len()))
            }
            Err(error) => Err(self.recover(error, tally.steps_finished == 0)),
        }
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

    /// Queues batches, chunk by chunk where samples stream. Gives whether the callback stopped it.
    fn run_batches(&mut self, run: &mut Run<'_>, batches: &Batches, tally: &mut Tally) -> Result<bool> {
        let (pace, replicas) = (self.pace(run), self.spec.replicas.clone());
        let rate = |r: usize, number: u32| replicas[r].rate(r, &pace, number) as f32;
        let Batches { orders, rest, weights } = batches;
        let mut weights = &weights[..];
        let batch = self.spec.batch;
        let session = self.open_session()?;
        session.executor.set_pace(pace.clone());
        let resident = session.resident(run.data.len());
        if resident {
            session.write_order(orders)?;
        }
        let mut queued_steps = tally.steps_finished;
        let steps_per_chunk = if resident { rest.len().max(1) } else { session.shape.order / batch };
        for chunk in rest.chunks(steps_per_chunk) {
            let mut chunk = chunk.to_vec();
            if !resident {
                let first = chunk[0].first;
                let count = chunk.iter().map(|i| i.rows as usize).sum();
                self.open_session()?.upload_chunk(run.data, orders, first as usize, count)?;
                chunk.iter_mut().for_each(|i| i.first -= first);
            }
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let steps = run.state.steps + queued_steps as u64;
                let next = run.saver.as_ref().map_or(usize::MAX, |saver| saver.steps_left(steps));
                let (part, after) = rest.split_at(run.watch.look.min(rest.len()).min(next));
                let queued = Instant::now();
                let session = self.open_session()?;
                let own;
                (own, weights) = weights.split_at(weights.len().min(part.len() * orders.len()));
                session.executor.submit_weighted(ProgramId::Train, part, own)?;
                queued_steps += part.len();
                // The very first step is waited for: its time is reported, and a device that fails does so here.
                let metrics = session.executor.metrics(run.watch.first_step.is_none())?;
                tally.take(metrics, &rate, run)?;
                run.watch.adapt(queued.elapsed());
                rest = after;
                let due = |saver: &super::saver::Saver| saver.is_due(run.state.steps + queued_steps as u64, false);
                let (due, stop) = (run.saver.as_ref().is_some_and(due), run.callback.stop());
                if due || stop {
                    finish(self.open_session()?, tally, &rate, run)?;
                    run.state.position = Some(tally.position());
                    self.checkpoint(run)?;
                }
                if stop {
                    return Ok(true);
                }
            }
        }
        finish(self.open_session()?, tally, &rate, run)?;
        Ok(false)
    }

    fn open_session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Error::Device("no session".to_owned()))
    }
}

/// The learning rate of a replica at an optimizer step.
type Rate<'a> = &'a dyn Fn(usize, u32) -> f32;

/// Waits for all metrics of what was queued.
fn finish(session: &mut Session, tally: &mut Tally, rate: Rate<'_>, run: &mut Run<'_>) -> Result<()> {
    let rest = session.executor.metrics(true)?;
    tally.take(rest, rate, run)
}

/// The clock of a run.
pub(super) struct Watch {
    started: Instant,
    pub first_step: Option<f64>,
    /// Steps to queue before the next look at what has finished.
    look: usize,
}

impl Watch {
    pub fn new(started: Instant) -> Self {
        Self { started, first_step: None, look: 1 }
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
        let (sums, started) = (vec![[0.0; 3]; replicas], Instant::now());
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

    fn take(&mut self, metrics: Vec<StepMetrics>, rate: Rate<'_>, run: &mut Run<'_>) -> Result<()> {
        if metrics.is_empty() {
            return Ok(());
        }
        let Watch { started, first_step, .. } = &mut run.watch;
        first_step.get_or_insert_with(|| started.elapsed().as_secs_f64());
        for step in &metrics {
            let loss = step.loss();
            if !loss.is_finite() {
                return Err(self.non_finite(step, rate));
            }
            let number = u64::from(step.iteration.number);
            let StepMetrics { replica, gradient_norm, .. } = *step;
            run.callback.on_step(&StepReport { step: number, replica, loss, gradient_norm });
            self.sums[step.replica][0] += step.loss_sum;
            self.sums[step.replica][1] += step.right;
            self.sums[step.replica][2] += step.weight;
            self.samples += f64::from(step.iteration.rows);
            self.steps_finished += usize::from(step.replica + 1 == self.sums.len());
        }
        run.callback.on_progress(&self.progress());
        Ok(())
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
