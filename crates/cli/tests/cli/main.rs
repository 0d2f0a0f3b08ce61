//! The command from outside: the real binary, its exit status, and every byte that it writes.

mod bad_data;
mod bad_input;
mod bad_models;
mod classics;
mod config;
mod files;
mod golden_before;
mod gpu;
mod help;
mod idle;
mod inputs;
mod interchange;
mod layers;
mod pipes;
mod precision;
mod results;
mod resume;
mod support;
mod train;
mod transfer;
mod tune;
