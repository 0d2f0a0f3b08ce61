//! Events: all that a run tells, in the order in which it happens.

use std::fmt::{Display, Formatter};

use serde::Serialize;

use super::report::{Callback, EpochReport, History, Progress, RunInfo, StepReport};

/// What a run tells when it is pulled ([`Run::next`](super::Run::next)): notes, `started`, then steps, epochs and
/// checkpoints as they come, and `finished`. As JSON each is an object whose field `event` says which it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepsReport {
    /// Each step of each replica, in order.
    pub steps: Vec<StepReport>,
    /// After the last of them.
    pub progress: Progress,
}

/// Where a checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointReport {
    /// Whole epochs of the fit.
    pub epochs: usize,
    /// Steps of the fit.
    pub steps: u64,
}

/// Something to know about a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
