//! Specs: what a user writes. Plain data that serializes, validated before anything is planned.

mod augment;
mod init;
mod loss;
mod model;
mod orthogonal;
mod train;

pub use augment::Augment;
pub use init::Init;
pub use loss::LossOptions;
pub use model::{DenseSpec, Sequential};

pub use train::{Adam, MAX_REPLICAS, OptimizerSpec, Replica, Sgd, TrainSpec};
