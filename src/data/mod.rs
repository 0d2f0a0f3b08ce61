//! Data: samples in memory, the three file formats they come from, and the datasets wgrad knows by name.
//!
//! Everything read from a file is checked before it is believed: sizes against the bytes that are really there, numbers
//! for being finite, images against labels. Nothing here panics on a damaged or hostile file.
//!
//! Symbols as everywhere in wgrad: N samples, I inputs a sample, O outputs a sample.

pub mod csv;
pub mod dataset;
pub mod datasets;
pub mod idx;
mod locate;
pub mod npy;
pub mod rows;

pub use dataset::{Dataset, Features, Targets, TrainTest};
pub use rows::read_rows;
