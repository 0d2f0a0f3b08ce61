//! Specs: what a user writes. Plain data that serializes, validated before anything is planned.

mod augment;
mod init;
mod loss;
mod model;
mod norm;
mod orthogonal;
mod precision;
mod schedule;
mod train;

pub use augment::Augment;
pub use init::Init;
pub use loss::LossOptions;
pub(crate) use model::MAX_WIDTH;
pub use model::{DenseSpec, Sequential};
pub use norm::Norm;
pub use precision::Precision;

pub use crate::ops::optimizer::{Adadelta, Adagrad, Adam, AdamW, GradientDescent, Lion, Nadam, Rmsprop, Sgd};
pub use schedule::{Pace, PlateauState, Schedule};
pub use train::{Clip, MAX_REPLICAS, OptimizerSpec, Replica, TrainSpec};
