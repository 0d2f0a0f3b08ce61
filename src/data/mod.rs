//! Data: samples in memory, the file formats they come from, and the datasets wgrad knows by name.
//!
//! Everything read from a file is checked before it is believed: sizes against the bytes that are really there, numbers
//! for being finite, images against labels. Nothing here panics on a damaged or hostile file.
//!
//! Symbols as everywhere in wgrad: N samples, I inputs a sample, O outputs a sample.

mod arrays;
mod content;
pub mod csv;
pub mod dataset;
pub mod datasets;
mod features;
mod generate;
pub mod idx;
mod labels;
mod locate;
mod made;
pub mod npy;
pub mod npz;
mod parts;
mod prepare;
mod preprocess;
mod room;
pub mod rows;
mod small;
mod split;
mod table;

pub use arrays::{ArraySpec, RawArrays, RawParts};
pub use content::{Content, Format};
pub use dataset::{Dataset, Targets};
pub use features::Features;
pub use parts::{Parts, TrainTest};
pub use prepare::{TableSpec, Task};
pub use preprocess::{Column, Encoding, Missing, Preprocessing, Scale, Source, Target};
pub use rows::{read_rows, read_rows_called, rows_of};
pub use split::{Split, SplitRows};
pub(crate) use table::missing_spellings;
pub use table::{Header, Table, TableFormat};
