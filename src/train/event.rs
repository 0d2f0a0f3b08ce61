//! Events: all that a run tells, in the order in which it happens.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use super::non_finite::number;
use super::report::{Callback, EpochReport, History, Progress, RunInfo, StepReport};

/// What a run tells when it is pulled ([`Run::next`](super::Run::next)): notes, `started`, then steps, epochs and
/// checkpoints as they come, and `finished`. As JSON each is an object whose field `event` says which it is; it is read back
/// as it was, but for infinite numbers, which JSON does not know: they come back as NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something to know about the run; those about its beginning come before `started`.
    Note(Note),
    /// All is in place for the first step.
    Started(Box<RunInfo>),
    /// Steps that have finished since the last event of this kind, up to a submission late, so that the device never waits.
    Steps(StepsReport),
    /// An epoch is over, and validated where the fit validates.
    Epoch(EpochReport),
    /// A checkpoint was taken, and is on its way to disk.
    Checkpoint(CheckpointReport),
    /// The run is over; its checkpoints are on disk.
    Finished(Box<History>),
}

/// Steps that have finished, and how far the epoch has come with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepsReport {
    /// Each step of each replica, in order.
    pub steps: Vec<StepReport>,
    /// After the last of them.
    pub progress: Progress,
}

/// Where a checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointReport {
    /// Whole epochs of the fit.
    pub epochs: usize,
    /// Steps of the fit.
    pub steps: u64,
}

/// Something to know about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// It runs on the CPU, which was not asked for.
    OnCpu {
        /// Why no GPU was taken.
        reason: String,
    },
    /// Kernels that were tuned are passed over.
    DefaultKernels {
        /// Why.
        reason: String,
    },
    /// It goes on where a checkpoint stands.
    GoesOn {
        /// Whole epochs behind it.
        epochs: usize,
        /// Steps behind it.
        steps: u64,
    },
    /// Early stopping watches the test part, whose scores then flatter the model.
    WatchesTest,
    /// The targets of a regression are far from the scale of a fresh model's outputs, and are not scaled.
    TargetsFar {
        /// The largest standard deviation of a target.
        #[serde(deserialize_with = "number")]
        deviation: f64,
    },
    /// Something is not as it was before the checkpoint.
    Changed {
        /// What.
        what: String,
    },
}

impl Display for Note {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OnCpu { reason } => write!(f, "running on the CPU: {reason}"),
            Self::DefaultKernels { reason } => f.write_str(reason),
            Self::WatchesTest => f.write_str(
                "early stopping watches the test part, whose scores then flatter the model; hold a validation part back",
            ),
            Self::TargetsFar { deviation } => write!(
                f,
                "the targets' standard deviation is {deviation:.3}, far from 1: to scale them may train much better"
            ),
            Self::GoesOn { epochs, steps } => write!(f, "going on after {epochs} epochs, {steps} steps"),
            Self::Changed { what } => f.write_str(what),
        }
    }
}

impl Event {
    /// Hands it to the methods of a callback.
    pub fn tell(&self, callback: &mut dyn Callback) {
        match self {
            Self::Started(run) => callback.on_start(run),
            Self::Steps(StepsReport { steps, progress }) => {
                steps.iter().for_each(|step| callback.on_step(step));
                callback.on_progress(progress);
            }
            Self::Epoch(report) => callback.on_epoch(report),
            Self::Note(_) | Self::Checkpoint(_) | Self::Finished(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;
    use crate::ops::{Activation, Loss};
    use crate::spec::{Adam, Clip, Sequential};
    use crate::train::{Checkpoints, Device, Trainer, epochs};

    fn read_back(event: &Event) -> Event {
        let text = serde_json::to_string(event).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn every_event_of_a_run_is_read_back_as_it_was() {
        let directory = tempfile::TempDir::new().unwrap();
        let checkpoints = Checkpoints::in_directory(directory.path()).every_steps(1);
        let mut seen = std::collections::BTreeSet::new();
        let xor = datasets::xor().unwrap();
        for (loss, outputs) in [(Loss::SoftmaxCrossEntropy, 2), (Loss::MeanSquaredError, 1)] {
            let model = Sequential::new(2).dense(3, Activation::Tanh).dense(outputs, Activation::Linear);
            let builder = Trainer::new(model, loss, Adam::new(0.05)).batch_size(2).clip(Clip::Norm(1.0));
            let mut trainer = builder.device(Device::cpu()).build().unwrap();
            let mut run = trainer.start(&xor, epochs(2).validate(&xor).checkpoints(&checkpoints)).unwrap();
            while let Some(event) = run.next().unwrap() {
                assert_eq!(read_back(&event), event);
                let name = serde_json::to_value(&event).unwrap()["event"].to_string();
                seen.insert(name);
            }
        }
        let names = ["checkpoint", "epoch", "finished", "started", "steps"].map(|name| format!("{name:?}"));
        assert!(seen.iter().eq(&names), "{seen:?}");
    }

    #[test]
    fn every_note_is_read_back_as_it_was() {
        let text = || "why".to_owned();
        let notes = [
            Note::OnCpu { reason: text() },
            Note::DefaultKernels { reason: text() },
            Note::GoesOn { epochs: 3, steps: u64::from(u32::MAX) + 1 },
            Note::WatchesTest,
            Note::TargetsFar { deviation: 0.1 + 0.2 },
            Note::Changed { what: text() },
        ];
        for note in notes.map(Event::Note) {
            assert_eq!(read_back(&note), note);
        }
    }

    #[test]
    fn numbers_that_are_not_finite_come_back_as_nan() {
        let step = StepReport { step: 1, replica: 0, loss: f32::INFINITY, gradient_norm: Some(f64::NAN) };
        let progress =
            Progress { epoch: 1, step: 1, steps: 2, loss: f64::NAN, accuracy: 0.5, samples_per_second: f64::INFINITY };
        let event = Event::Steps(StepsReport { steps: vec![step], progress });
        let Event::Steps(had) = read_back(&event) else { panic!("another event") };
        assert!(had.steps[0].loss.is_nan() && had.steps[0].gradient_norm.is_some_and(f64::is_nan), "{had:?}");
        assert!(had.progress.loss.is_nan() && had.progress.samples_per_second.is_nan(), "{had:?}");
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::to_string(&Event::Steps(had)).unwrap(), text, "written as before");
        for (field, value) in [("\"loss\":null", "\"loss\":\"nan\""), ("\"accuracy\":0.5,", "")] {
            assert!(serde_json::from_str::<Event>(&text.replace(field, value)).is_err(), "{field}");
        }
    }
}
