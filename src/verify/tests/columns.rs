//! Columns of samples that the CPU leaves out, since they are zero throughout a batch: the same bits as with them.

use super::determinism;
use super::training::{Setup, run};
use crate::cpu::CpuExecutor;
use crate::executor::Executor;
use crate::ops::{Activation, InputKind};
use crate::random::{Purpose, Stream};
use crate::spec::Sequential;
use crate::tensor::Role;
use crate::verify::optimizer_cases::optimizers;

/// Steps of five batches of 30 samples; which columns are zero changes from batch to batch.
const BATCH: usize = 32;
const STEPS: u32 = 12;
const REPLICAS: usize = 3;

/// Samples that are zero in most columns, each in a range of its own.
fn sparse(setup: Setup, samples: InputKind, inputs: usize, hidden: usize) -> Setup {
    let mut stream = Stream::new(8, Purpose::Inputs, 0);
    let mut features = vec![0.0; setup.count() * inputs];
    for row in features.chunks_mut(inputs) {
        let start = stream.word() as usize % inputs;
        for x in &mut row[start..inputs.min(start + inputs / 60)] {
            // Whole numbers that a byte holds.
            *x = (stream.word() % 4) as f32;
        }
    }
    let outputs = setup.model.outputs();
    let model = Sequential::new(inputs).dense(hidden, Activation::Relu).dense(outputs, Activation::Linear);
    Setup { model, samples, features, batch: BATCH, ..setup }
}

/// The bits of the losses and of everything that training leaves.
fn bits(setup: &Setup, keep_all: bool) -> Vec<Vec<u32>> {
    let mut executor = CpuExecutor::<f32>::new(setup.plan()).unwrap();
    if keep_all {
        executor.keep_all_columns();
    }
    setup.fill(&mut executor);
    let losses = run(setup, &mut executor, STEPS);
    assert_eq!(executor.leaves_out_columns(), !keep_all);
    let tensors = executor
        .plan()
        .tensors
        .iter()
        .map(|t| t.role.is_model() || matches!(t.role, Role::OptimizerState | Role::Gradient));
    let ids: Vec<_> = executor.plan().ids().zip(tensors).filter(|(_, kept)| *kept).map(|(id, _)| id).collect();
    let read = ids.into_iter().map(|id| executor.read(id).unwrap());
    let all: Vec<Vec<f32>> = std::iter::once(losses).chain(read).collect();
    assert!(all.iter().flatten().all(|value| value.is_finite()));
    all.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
}

fn check(name: &str, setup: &Setup) {
    assert!(bits(setup, false) == bits(setup, true), "{name}");
}

#[test]
fn every_optimizer_trains_the_same_bits_without_them() {
    for (name, optimizer) in optimizers() {
        for (samples, inputs, hidden) in [(InputKind::SamplesF32, 1100, 90), (InputKind::SamplesU8, 500, 130)] {
            check(name, &sparse(determinism::setup(optimizer, REPLICAS), samples, inputs, hidden));
        }
    }
}

/// As they are for clipping by norm.
#[test]
fn gradients_that_are_stored_have_the_same_bits() {
    for (name, optimizer) in optimizers().into_iter().take(1) {
        let setup = sparse(determinism::setup(optimizer, REPLICAS), InputKind::SamplesU8, 500, 130);
        check(name, &Setup { keep_gradients: true, ..setup });
    }
}

/// Of so wide layers that gradients are not updated all at once, and of several passes.
#[test]
fn wide_layers_have_the_same_bits() {
    for (name, optimizer) in optimizers().into_iter().take(2) {
        check(name, &sparse(determinism::setup(optimizer, 1), InputKind::SamplesF32, 2500, 1024));
    }
}
