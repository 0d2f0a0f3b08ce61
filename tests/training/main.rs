//! Training through the public API, on both executors.

mod fitting;
mod layers;
mod metrics;
mod model_file;
mod problems;
mod random_specs;
mod resume;
mod runs;
mod same_results;
mod schedules;
mod support;
mod transfer;
