//! Specs: models and training settings as plain, serializable data, validated before they are lowered to a plan.

mod loss;
mod model;
mod norm;
mod tensors;
mod train;

pub use crate::init::Init;
pub use crate::ops::Augment;
pub use crate::precision::Precision;
pub use loss::LossOptions;
pub use model::{DenseSpec, Sequential};
pub use norm::Norm;
pub use tensors::{DenseTensors, Module, NormTensors, Part, TensorSpec};
pub(crate) use tensors::{PartValues, parts};

pub use crate::ops::optimizer::{Adadelta, Adagrad, Adam, AdamW, GradientDescent, Lion, Nadam, Rmsprop, Sgd};
pub use crate::ops::optimizer::{MAX_REPLICAS, OptimizerSpec, Replica, check_rate};
pub use crate::schedule::{Pace, PlateauState, Schedule};
pub use train::{Clip, TrainSpec};
