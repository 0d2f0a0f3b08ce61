//! Training: what a user drives. It sits on the executors and never reaches into them.

mod builder;
mod checkpoint;
mod device;
mod epoch;
mod epoch_end;
mod evaluate;
mod event;
mod fit;
mod fit_state;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod memory_tests;
mod metrics;
mod model_file;
mod non_finite;
mod pace;
mod parameters;
mod ranking;
mod report;
mod resume;
mod run;
mod saver;
mod session;
mod stopping;
mod targets;
mod trainer;

pub use builder::TrainerBuilder;
pub use device::Device;
pub use event::{CheckpointReport, Event, Note, StepsReport};
pub use fit::{Fit, epochs};
pub use fit_state::SampleRecord;
pub use metrics::{Classification, Deviation, Metrics, Rates, Regression};
pub use model_file::{ModelFile, TrainingFacts};
pub use report::{Callback, End, EpochReport, Evaluation, History, Progress, RunInfo, Scores, StepReport};
pub(crate) use resume::run_of;
pub use run::Run;
pub use saver::Checkpoints;
pub use stopping::{EarlyStopping, Monitor, Reference};
pub use trainer::Trainer;
