//! Sources of samples: built-in sets, generators, files.

mod rows;
mod source;
mod train_data;

pub use rows::{rows, scaled_otherwise};
pub use source::{RowFormat, SamplesArgs};
pub use train_data::{TaskName, TrainDataArgs};
