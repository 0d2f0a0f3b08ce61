//! A run as plain data: dataset, model, training settings, length. Commands, configuration files and studies fill a
//! [`RunSpec`]; defaults that depend on the data are resolved here.
//!
//! ```
//! use wgrad::run::{DataSpec, FitSpec, ModelSpec, RunSpec, TrainingSpec};
//! use wgrad::{Activation, Adam, Device, Event};
//!
//! let spec = RunSpec {
//!     data: DataSpec::named("iris"),
//!     model: ModelSpec::hidden(&[8], Activation::Tanh),
//!     training: TrainingSpec::new(Adam::new(0.01)),
//!     fit: FitSpec::epochs(3),
//! };
//! let mut run = spec.start(Device::cpu())?;
//! while let Some(event) = run.next()? {
//!     if let Event::Epoch(epoch) = event {
//!         println!("{} {:.3}", epoch.epoch, epoch.train.loss);
//!     }
//! }
//! run.close().save(std::env::temp_dir().join("iris.safetensors"))?;
//! # Ok::<(), wgrad::Error>(())
//! ```

mod data;
mod file;
mod fit;
mod model;
mod prepared;
mod source;
#[cfg(test)]
mod tests;
mod training;

use serde::{Deserialize, Serialize};

pub use data::{DataSpec, Portion};
pub use fit::FitSpec;
pub use model::ModelSpec;
pub use prepared::Prepared;
pub use source::{Source, content, is_table, names, raw_arrays};
pub use training::{ClassWeights, TrainingSpec};

use crate::data::Parts;
use crate::error::Result;
use crate::train::{Device, Run};

/// Everything about a run but the device that it runs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// The source of the samples, and how they are read and split.
    pub data: DataSpec,
    /// The model.
    pub model: ModelSpec,
    /// The loss, the optimizer and other training settings.
    pub training: TrainingSpec,
    /// Length, early stopping and checkpoints.
    pub fit: FitSpec,
}

impl RunSpec {
    /// Reads the data and resolves the model and training settings against them. No weights are drawn yet.
    ///
    /// # Errors
    /// As [`DataSpec::load`]; [`Error::Spec`](crate::Error::Spec) for what does not fit the data.
    pub fn prepare(&self, device: Device) -> Result<Prepared> {
        self.prepare_with(self.data.load()?, device)
    }

    /// [`RunSpec::prepare`] with parts that [`DataSpec::load`] has given.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_with(&self, parts: Parts, device: Device) -> Result<Prepared> {
        Prepared::new(self.clone(), parts, device)
    }

    /// Starts the run, which owns all that it needs; with checkpoints in its directory it goes on from the latest.
    ///
    /// # Errors
    /// As [`RunSpec::prepare`], [`TrainerBuilder::build`](crate::TrainerBuilder::build) or
    /// [`TrainerBuilder::resume`](crate::TrainerBuilder::resume), and [`Trainer::start`](crate::Trainer::start).
    pub fn start(&self, device: Device) -> Result<Run<'static>> {
        let prepared = self.prepare(device)?;
        let goes_on = self.fit.checkpoints.as_ref().filter(|checkpoints| checkpoints.are_there());
        let trainer = match goes_on {
            Some(checkpoints) => prepared.resume(checkpoints.directory())?,
            None => prepared.trainer()?,
        };
        prepared.start(trainer)
    }
}
