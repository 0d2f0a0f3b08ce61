//! What follows an epoch's last step: validation, the best so far, what is kept; and the weights that a fit ends with.

use super::event::Event;
use super::report::{EpochReport, Evaluation};
use super::resume::take;
use super::run::{Course, Phase};
use super::stopping::Verdict;
use super::trainer::Trainer;
use crate::error::{Error, Result};

impl Trainer {
    /// Validates and tells an epoch. One that a limit on steps cut short is reported, but its checkpoint stands within it,
    /// so that more steps can follow.
    pub(super) fn close_epoch(&mut self, course: &mut Course, whole: bool) -> Result<()> {
        if !whole {
            self.checkpoint(course)?;
        }
        let Some(position) = course.state.position.clone() else {
            return Err(Error::Device("an epoch ended without a step".to_owned()));
        };
        let pace = self.pace(course);
        self.steps += position.batches as u32;
        let learning_rates = self.learning_rates(&pace, self.steps);
        self.epochs += 1;
        let epoch = course.state.reports.len() + 1;
        let validation = course.fit.validation.clone().map(|samples| self.validate(&samples)).transpose()?;
        self.check_validation(validation.as_ref(), epoch, &learning_rates)?;
        self.keep(self.epochs)?;
        let (train, seconds) = (position.evaluation(), position.seconds);
        if whole {
            self.note_losses(&mut course.state.plateaus, validation.as_ref().unwrap_or(&train));
        }
        let samples_per_second = position.samples / seconds;
        let report = EpochReport { epoch, train, validation, learning_rates, seconds, samples_per_second };
        course.state.training_seconds += seconds;
        course.events.push_back(Event::Epoch(report.clone()));
        course.phase = Phase::Told { report, whole };
        Ok(())
    }

    /// Notes which replicas were never better before, keeps what may be wanted later, and takes a checkpoint where it is
    /// time for one.
    pub(super) fn judge_epoch(&mut self, course: &mut Course, report: EpochReport, whole: bool) -> Result<()> {
        self.judge(course, &report)?;
        course.phase = Phase::Between;
        if !whole {
            course.cut_short = Some(report);
            return Ok(());
        }
        let batches = course.state.steps_within_epoch() as u64;
        course.state.steps += batches;
        course.state.position = None;
        course.state.reports.push(report);
        let over = course.state.reports.len() >= course.fit.epochs || course.steps_left() == 0 || course.has_stopped();
        if over || course.saver.as_ref().is_some_and(|saver| saver.is_due(course.steps(), true)) {
            self.checkpoint(course)?;
        }
        Ok(())
    }

    fn judge(&mut self, course: &mut Course, report: &EpochReport) -> Result<()> {
        let (rule, stops) = (course.fit.rule(), course.fit.stopping.is_some());
        let standings = course.state.standings.iter_mut().enumerate();
        let verdicts: Vec<_> =
            standings.map(|(replica, standing)| standing.judge(&rule, stops, report, replica)).collect();
        let wanted = |verdict: &Verdict| if rule.restore_best { verdict.best } else { verdict.stops };
        let chosen: Vec<_> = verdicts.iter().map(wanted).collect();
        if course.fit.captures(verdicts.len()) && chosen.contains(&true) {
            let now = self.model_tensors()?;
            if course.captured.is_empty() {
                course.captured = now;
            } else {
                take(&mut course.captured, &now, &chosen);
            }
        }
        if verdicts[0].best && course.saver.is_some() {
            let model = self.to_file(0)?;
            course.saver.iter_mut().for_each(|saver| saver.offer_best(model.clone()));
        }
        Ok(())
    }

    /// When a run with early stopping is over: each replica's best weights, or those with which it stopped.
    pub(super) fn bring_back(&mut self, course: &Course) -> Result<()> {
        let Some(rule) = course.fit.stopping else { return Ok(()) };
        if course.captured.is_empty() {
            return Ok(());
        }
        let chosen: Vec<_> =
            course.state.standings.iter().map(|standing| rule.restore_best || standing.has_stopped()).collect();
        let mut now = self.model_tensors()?;
        take(&mut now, &course.captured, &chosen);
        self.write_tensors(&now)
    }

    /// An epoch's last update may be the one that diverges: no step's loss shows it, but the validation does. The
    /// parameters from before the epoch come back.
    fn check_validation(&mut self, scores: Option<&Evaluation>, epoch: usize, learning_rates: &[f32]) -> Result<()> {
        let scores = scores.map_or(&[][..], |scores| &scores.replicas);
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
    pub(super) fn keep_both(&mut self) -> Result<()> {
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
