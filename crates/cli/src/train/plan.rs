//! `wgrad train --print-plan`

use serde::Serialize;
use wgrad::plan::{Plan, ProgramId};

use crate::output::Output;

/// Every step and tensor of a model of so many layers, for people and for programs.
pub fn print_plan(plan: &Plan, layers: usize, output: &Output) {
    #[derive(Serialize)]
    struct StepFields<'a> {
        label: &'a str,
        operation: &'a str,
    }
    #[derive(Serialize)]
    struct TensorFields<'a> {
        name: &'a str,
        shape: &'a [usize],
        role: String,
        bytes: u64,
    }
    #[derive(Serialize)]
    struct PlanFields<'a> {
        dispatches_per_step: usize,
        layers: usize,
        bytes: u64,
        steps: Vec<StepFields<'a>>,
        tensors: Vec<TensorFields<'a>>,
    }
    let steps = &plan.program(ProgramId::Train).steps;
    let tensors = plan.tensors.iter().map(|tensor| {
        let (name, shape, role) = (tensor.name.as_str(), &tensor.shape[..], tensor.role.to_string());
        TensorFields { name, shape, role, bytes: tensor.bytes() }
    });
    let fields = PlanFields {
        dispatches_per_step: steps.len(),
        layers,
        bytes: plan.bytes(),
        steps: steps.iter().map(|step| StepFields { label: &step.label, operation: step.operation() }).collect(),
        tensors: tensors.collect(),
    };
    output.event("plan", &fields);
    output.text(plan.to_string().trim_end());
}
