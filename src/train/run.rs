//! Runs: fits that are pulled, event by event.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use serde_json::Value;

use super::epoch::{Epoch, Watch};
use super::event::{Event, Note};
use super::fit::Settings;
use super::fit_state::FitState;
use super::report::{End, EpochReport, History, RunInfo};
use super::saver::Saver;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::state::State;

/// A fit under way, from [`Trainer::start`]. Nothing happens between two calls of [`Run::next`] but what was submitted to
/// the device, which keeps working; the caller decides when the run continues, and whether.
///
/// ```
/// use wgrad::{Activation::*, Adam, End, Event, Loss::*, Sequential, Trainer, datasets, epochs};
///
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(4).build()?;
/// let mut run = trainer.start(&datasets::xor()?, epochs(1000))?;
/// while let Some(event) = run.next()? {
///     match event {
///         Event::Epoch(epoch) if epoch.train.loss < 0.1 => run.stop(),
///         Event::Finished(history) => assert_eq!(history.end, End::Asked),
///         _ => {}
///     }
/// }
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// A run that is dropped before it is over stops where it stands, without another checkpoint; its trainer can go on with
/// another fit.
pub struct Run<'t> {
    trainer: Held<'t>,
    course: Course,
}

/// A trainer of one's own, or somebody else's.
enum Held<'t> {
    Borrowed(&'t mut Trainer),
    Owned(Box<Trainer>),
}

impl Deref for Held<'_> {
    type Target = Trainer;

    fn deref(&self) -> &Trainer {
        match self {
            Self::Borrowed(trainer) => trainer,
            Self::Owned(trainer) => trainer,
        }
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Trainer {
        match self {
            Self::Borrowed(trainer) => trainer,
            Self::Owned(trainer) => trainer,
        }
    }
}

/// Where a run stands, but for what its trainer knows.
pub(super) struct Course {
    pub fit: Settings,
    pub data: Dataset,
    pub info: RunInfo,
    pub state: FitState,
    /// The model's tensors of each replica's best epoch, or of its last.
    pub captured: State,
    pub watch: Watch,
    /// Its description, for checkpoints.
    pub run: Option<Value>,
    pub saver: Option<Saver>,
    pub phase: Phase,
    /// What has happened, and is yet to be pulled; then the error that ended the run, if one did.
    pub events: VecDeque<Event>,
    pub error: Option<Error>,
    /// Whether somebody asked to stop.
    pub asked: bool,
    /// Of an epoch that the limit on steps cut short.
    pub cut_short: Option<EpochReport>,
}

/// What is to be done next.
pub(super) enum Phase {
    /// Checkpoints begin; of those that are there the one at this path is the last to be replaced.
    Beginning(Option<PathBuf>),
    /// An epoch begins, or the run ends.
    Between,
    /// Steps of an epoch.
    Within(Box<Epoch>),
    /// An epoch's steps are done, all of them if it is `whole`: it is validated.
    Trained { whole: bool },
    /// It has been told, and is compared with those before.
    Told { report: EpochReport, whole: bool },
    /// Nothing.
    Over,
}

impl Course {
    /// Steps so far, those within the present epoch included.
    pub fn steps(&self) -> u64 {
        self.state.steps + self.state.steps_within_epoch() as u64
    }

    /// Steps that it may still take.
    pub fn steps_left(&self) -> u64 {
        self.fit.steps.map_or(u64::MAX, |most| most.saturating_sub(self.steps()))
    }

    /// Whether early stopping has ended the fit.
    pub fn has_stopped(&self) -> bool {
        self.fit.stopping.is_some() && self.state.has_stopped()
    }

    /// Why the run ends between two epochs, if it does.
    fn end(&self) -> Option<End> {
        match () {
            () if self.cut_short.is_some() => Some(End::Steps),
            () if self.has_stopped() => Some(End::Stopped),
            () if self.state.reports.len() >= self.fit.epochs => Some(End::Epochs),
            () if self.steps_left() == 0 && self.state.position.is_none() => Some(End::Steps),
            () if self.asked => Some(End::Asked),
            () => None,
        }
    }

    fn history(&self, end: End) -> History {
        History {
            run: self.info.clone(),
            epochs: self.state.reports.iter().chain(&self.cut_short).cloned().collect(),
            steps: self.steps(),
            seconds: self.watch.seconds(),
            training_seconds: self.state.training_seconds,
            time_to_first_step: self.watch.first_step.unwrap_or_default(),
            end,
        }
    }
}

impl<'t> Run<'t> {
    pub(super) fn borrowing(trainer: &'t mut Trainer, course: Course) -> Self {
        Self { trainer: Held::Borrowed(trainer), course }
    }

    pub(super) fn owning(trainer: Trainer, course: Course) -> Run<'static> {
        Run { trainer: Held::Owned(Box::new(trainer)), course }
    }

    /// The next event; none when the run is over. Waits for the device where that is behind.
    ///
    /// # Errors
    /// [`Error::NonFinite`] when a loss is NaN or infinite, after the parameters of the last finite epoch have been
    /// brought back; [`Error::Io`] when a checkpoint cannot be written; what the device reports. The run is over then.
    #[allow(clippy::should_implement_trait)] // so that `?` works in `while let`
    pub fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.course.events.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = self.course.error.take() {
                return Err(error);
            }
            if matches!(self.course.phase, Phase::Over) {
                return Ok(None);
            }
            if let Err(error) = self.trainer.advance(&mut self.course) {
                self.course.phase = Phase::Over;
                self.course.saver = None; // what waits is written
                self.course.error = Some(error);
            }
        }
    }

    /// Asks to stop after the steps that are queued. Further events tell of these, of the checkpoint, where the fit keeps
    /// any, and of the end, [`End::Asked`].
    pub fn stop(&mut self) {
        self.course.asked = true;
    }

    /// What is known at its start.
    pub fn info(&self) -> &RunInfo {
        &self.course.info
    }

    /// Tells more of what is to know before it starts, after what there is to tell of the device.
    pub(crate) fn note_start(&mut self, notes: Vec<Note>) {
        let of_device = |event: &Event| matches!(event, Event::Note(Note::OnCpu { .. } | Note::DefaultKernels { .. }));
        let at = self.course.events.iter().take_while(|event| of_device(event)).count();
        notes.into_iter().rev().for_each(|note| self.course.events.insert(at, Event::Note(note)));
    }

    /// Its checkpoints carry this description of it.
    pub(crate) fn describe(&mut self, run: Value) {
        self.course.run = Some(run);
    }

    /// Ends the run where it stands, if it is not over, without another checkpoint, and gives its trainer.
    pub fn close(&mut self) -> &mut Trainer {
        self.trainer.abandon(&mut self.course);
        &mut self.trainer
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.trainer.abandon(&mut self.course);
    }
}

impl Trainer {
    /// Does what is next, which may make events.
    fn advance(&mut self, course: &mut Course) -> Result<()> {
        match std::mem::replace(&mut course.phase, Phase::Over) {
            Phase::Beginning(newest) => {
                let settings = course.fit.checkpoints.as_ref();
                course.saver = settings.map(|settings| Saver::start(settings, newest.as_deref())).transpose()?;
                course.phase = Phase::Between;
                self.checkpoint(course)
            }
            Phase::Between => self.begin_or_end(course),
            Phase::Within(epoch) => self.go_on_with(course, epoch),
            Phase::Trained { whole } => self.close_epoch(course, whole),
            Phase::Told { report, whole } => self.judge_epoch(course, report, whole),
            Phase::Over => Ok(()),
        }
    }

    fn begin_or_end(&mut self, course: &mut Course) -> Result<()> {
        match course.end() {
            None => {
                course.phase = Phase::Within(Box::new(self.begin_epoch(course)?));
                Ok(())
            }
            Some(End::Asked) => {
                self.checkpoint(course)?;
                self.finish(course, End::Asked)
            }
            Some(end) => self.finish(course, end),
        }
    }

    /// Checkpoints are on disk, and the weights are those that the fit ends with.
    pub(super) fn finish(&mut self, course: &mut Course, end: End) -> Result<()> {
        course.saver.take().map_or(Ok(()), Saver::finish)?;
        self.bring_back(course)?;
        course.phase = Phase::Over;
        course.events.push_back(Event::Finished(Box::new(course.history(end))));
        Ok(())
    }

    /// Leaves a run that is not over: what is queued is waited for and counted.
    fn abandon(&mut self, course: &mut Course) {
        match std::mem::replace(&mut course.phase, Phase::Over) {
            Phase::Within(epoch) => {
                // Who drops a run does not ask how it was going.
                self.session.as_mut().and_then(|session| session.executor.metrics(true).ok());
                self.steps += epoch.steps_queued() as u32;
            }
            Phase::Trained { .. } => self.steps += course.state.steps_within_epoch() as u32,
            Phase::Beginning(_) | Phase::Between | Phase::Told { .. } | Phase::Over => {}
        }
        course.saver = None;
        course.events.clear();
        course.error = None;
    }
}
