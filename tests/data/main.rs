//! The data module from outside: every file that can be bad, arbitrary bytes, and the real MNIST.

mod csv;
mod dataset;
mod datasets;
mod idx;
mod npy;
mod npz;
mod prepare;
mod rows;
mod small;
mod split;
mod support;
mod table;
