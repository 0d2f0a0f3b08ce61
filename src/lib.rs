//! wgrad
pub mod bench;
pub mod cpu;
pub mod data;
pub mod error;
pub mod executor;
pub mod gpu;
pub mod ops;
pub mod plan;
pub mod random;
pub mod scalar;
pub mod spec;
pub mod train;
pub mod verify;

pub use data::{Dataset, Features, Targets, TrainTest, datasets};
pub use error::{Error, Result};
pub use ops::{Activation, Loss};
pub use spec::*;
pub use train::*;
