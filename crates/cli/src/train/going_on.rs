//! The arguments of `wgrad train` for early stopping, saving and resuming.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use wgrad::{Checkpoints, EarlyStopping, Monitor, Reference};

use crate::args;
use crate::{Failure, Result};

/// Early stopping.
#[derive(Args)]
#[command(next_help_heading = "Early stopping")]
pub struct StoppingArgs {
    /// Stop after this many consecutive epochs without an improvement.
    #[arg(long, value_name = "EPOCHS", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    patience: Option<usize>,
    /// What to monitor: val-loss or val-accuracy (of the validation part, else of the test part) or train-loss
    /// [default: val-loss].
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true)]
    monitor: Option<MonitorName>,
    /// Minimum change that counts as an improvement [default: 0].
    #[arg(long, value_name = "D", value_parser = args::rate::<f32>, allow_hyphen_values = true)]
    min_delta: Option<f32>,
    /// Reference for --min-delta: the `last` improvement, as in Keras, or the `best` epoch so far, as in scikit-learn
    /// [default: last].
    #[arg(long, value_enum, value_name = "last|best", hide_possible_values = true)]
    improve_on: Option<ReferenceName>,
    /// Restore the weights of the best epoch at the end.
    #[arg(long)]
    restore_best: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MonitorName {
    ValLoss,
    ValAccuracy,
    TrainLoss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReferenceName {
    Last,
    Best,
}

impl StoppingArgs {
    /// The rule, if there is one.
    pub fn rule(&self) -> Result<Option<EarlyStopping>> {
        let Self { patience, monitor, min_delta, improve_on, restore_best } = self;
        let Some(patience) = *patience else {
            let given = [
                ("--monitor", monitor.is_some()),
                ("--min-delta", min_delta.is_some()),
                ("--improve-on", improve_on.is_some()),
                ("--restore-best", *restore_best),
            ];
            return match given.iter().find(|(_, given)| *given) {
                None => Ok(None),
                Some((flag, _)) => Err(Failure::Usage(format!(
                    "{flag} is for early stopping, which --patience turns on; add --patience N or leave it out"
                ))),
            };
        };
        let monitor = match monitor.unwrap_or(MonitorName::ValLoss) {
            MonitorName::ValLoss => Monitor::ValidationLoss,
            MonitorName::ValAccuracy => Monitor::ValidationAccuracy,
            MonitorName::TrainLoss => Monitor::TrainLoss,
        };
        let reference = match improve_on.unwrap_or(ReferenceName::Last) {
            ReferenceName::Last => Reference::LastImprovement,
            ReferenceName::Best => Reference::BestSoFar,
        };
        let min_delta = f64::from(min_delta.unwrap_or(0.0));
        Ok(Some(EarlyStopping { monitor, patience, min_delta, restore_best: *restore_best, reference }))
    }
}

/// What a run saves.
#[derive(Args)]
#[command(next_help_heading = "Output")]
pub struct KeepingArgs {
    /// Save model, history, configuration and checkpoints in this directory, creating it if necessary.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the interrupted run in this directory with its own arguments; the result is bit-identical to that of an
    /// uninterrupted run. Flags that do not affect the result are allowed, and so are more --epochs or --steps.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "config"])]
    resume: Option<PathBuf>,
    /// Write a checkpoint within epochs every so many steps (500) or so often (30s), in addition to the one after each epoch
    /// [default: 10s].
    #[arg(long, value_name = "STEPS|TIME", allow_hyphen_values = true)]
    checkpoint_every: Option<Every>,
}

/// How often there is a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Every {
    Steps(u64),
    Seconds(f64),
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let reason = || "must be a number of steps such as 500, or a time such as 30s, above 0".to_owned();
        match text.strip_suffix('s') {
            None => text.parse().ok().filter(|steps| *steps > 0).map(Self::Steps).ok_or_else(reason),
            Some(seconds) => {
                let seconds = seconds.parse().ok().filter(|seconds: &f64| *seconds > 0.0 && seconds.is_finite());
                seconds.map(Self::Seconds).ok_or_else(reason)
            }
        }
    }
}

impl KeepingArgs {
    /// Rejects flags that have no effect.
    pub fn check(&self) -> Result<()> {
        match self.checkpoint_every {
            Some(_) if self.directory().is_none() => {
                let reason = "--checkpoint-every is for --out, which keeps checkpoints; add --out DIR or leave it out";
                Err(Failure::Usage(reason.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The directory of the run, and whether it exists already, to be resumed.
    pub fn directory(&self) -> Option<(&Path, bool)> {
        let resumed = self.resume.as_deref().map(|path| (path, true));
        resumed.or(self.out.as_deref().map(|path| (path, false)))
    }

    /// The checkpoints of a run in this directory.
    pub fn checkpoints(&self, directory: &Path) -> Checkpoints {
        let checkpoints = Checkpoints::in_directory(directory);
        match self.checkpoint_every {
            None => checkpoints,
            Some(Every::Steps(steps)) => checkpoints.every_steps(steps),
            Some(Every::Seconds(seconds)) => checkpoints.every_seconds(seconds),
        }
    }
}
