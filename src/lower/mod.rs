//! Lowering: what a spec means for one batch size and one number of replicas, as a plan.

mod build;
mod forward;
mod limits;
mod measure;
mod ranking;
mod tail;

pub(crate) use build::{Capacity, PlanRequest};
pub(crate) use ranking::ranking;
