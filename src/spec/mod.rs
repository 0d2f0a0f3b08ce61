//! Specs: what a user writes. Plain data that serializes, validated before anything is planned.

mod init;
mod model;
mod train;

pub use init::Init;
pub use model::{DenseSpec, Sequential};
pub(crate) use train::MAX_REPLICAS;
pub use train::{Adam, OptimizerSpec, Replica, Sgd, TrainSpec};
