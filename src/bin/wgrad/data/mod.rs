//! Samples from wherever a user has them: built-in sets, generators, files.

mod source;
mod train_data;

pub use source::{RowFormat, SamplesArgs, rows, scaled_otherwise};
pub use train_data::{TaskName, TrainDataArgs};
