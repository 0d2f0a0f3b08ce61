//! Training: what a user drives. It sits on the executors and never reaches into them.

mod builder;
mod device;
mod fit;
mod model_file;
#[cfg(feature = "cli")]
mod progress;
mod report;
mod session;
mod targets;
mod trainer;

pub use builder::TrainerBuilder;
pub use device::Device;
pub use fit::{Fit, epochs};
pub use model_file::{LayerWeights, ModelFile, TrainingFacts};
#[cfg(feature = "cli")]
pub use progress::ProgressBar;
pub use report::{Callback, EpochReport, Evaluation, History, Progress, RunInfo, Scores, StepReport};
pub use trainer::Trainer;
