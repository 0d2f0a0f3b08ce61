//! Lowering: what a spec means for one batch size and one number of replicas, as a plan.

mod build;
mod forward;
mod limits;
mod measure;
mod ranking;
mod request;
mod tail;

pub(crate) use ranking::ranking;
pub(crate) use request::{Capacity, PlanRequest};
