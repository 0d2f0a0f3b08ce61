//! PyTorch's golden values of every loss, target, option and weight: 50 steps of small networks, on both executors.
//! `tests/golden/make_losses.py` made them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::training::{Setup, run};
use crate::cpu::CpuExecutor;
use crate::executor::{Executor, TensorData};
use crate::gpu::GpuExecutor;
use crate::ops::{Activation, InputKind, Loss, TargetKind};
use crate::plan::Plan;
use crate::spec::{LossOptions, OptimizerSpec, Replica, Sequential, Sgd};
use crate::verify::test_gpu;

/// How far the losses of all steps, and each trained tensor, may be from PyTorch's in f64: the largest difference over
/// the largest number. PyTorch's own f32 run ends up to 4.3e-7 from its f64 run, with numbers of about 1; other orders of
/// summation and a device's exp may err a few times as much. Mistakes show in the first digits.
const TOLERANCE: f64 = 3e-6;

#[derive(Deserialize)]
struct Golden {
    batch_size: usize,
    features: Vec<Vec<f32>>,
    labels: Vec<u32>,
    binary: Vec<u32>,
    values: Vec<Vec<f32>>,
    probabilities: Vec<Vec<f32>>,
    truths: Vec<Vec<f32>>,
    sample_weights: Vec<f32>,
    class_weights: Vec<f32>,
    binary_class_weights: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    loss: Loss,
    target: String,
    output_activation: Activation,
    widths: Vec<usize>,
    label_smoothing: f32,
    huber_delta: f32,
    sample_weighted: bool,
    class_weighted: bool,
    learning_rate: f32,
    momentum: f32,
    initial: Vec<Layer>,
    #[serde(rename = "final")]
    trained: Vec<Layer>,
    losses: Vec<f64>,
}

#[derive(Deserialize)]
struct Layer {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/losses.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn setup(golden: &Golden, case: &Case) -> Setup {
    let [inputs, hidden, outputs] = case.widths[..] else { panic!("{}: three widths", case.name) };
    let optimizer = OptimizerSpec::from(Sgd::new(case.learning_rate).momentum(case.momentum));
    let classes = if case.target == "binary" { &golden.binary_class_weights } else { &golden.class_weights };
    let (targets, values) = match case.target.as_str() {
        "values" => (TargetKind::Values, &golden.values),
        "probabilities" => (TargetKind::Values, &golden.probabilities),
        "truths" => (TargetKind::Values, &golden.truths),
        _ => (TargetKind::Classes, &golden.values),
    };
    Setup {
        model: Sequential::new(inputs).dense(hidden, Activation::Tanh).dense(outputs, case.output_activation),
        loss: case.loss,
        optimizer: optimizer.optimizer,
        replicas: vec![Replica::new(0, &optimizer)],
        batch: golden.batch_size,
        samples: InputKind::SamplesF32,
        targets,
        features: golden.features.concat(),
        labels: if case.target == "binary" { golden.binary.clone() } else { golden.labels.clone() },
        values: values.concat(),
        orders: vec![(0..golden.labels.len() as u32).collect()],
        keep_gradients: false,
        loss_options: LossOptions {
            label_smoothing: case.label_smoothing,
            huber_delta: case.huber_delta,
            class_weights: if case.class_weighted { classes.clone() } else { Vec::new() },
        },
        weights: if case.sample_weighted { golden.sample_weights.clone() } else { Vec::new() },
    }
}

/// The largest difference of two series over the largest number; infinite where one is not a number.
fn difference(had: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(had.len(), wanted.len());
    let size = wanted.iter().fold(0.0f64, |size, value| size.max(value.abs()));
    had.iter().zip(wanted).fold(0.0, |worst: f64, (had, wanted)| {
        let own = (f64::from(*had) - wanted).abs() / size;
        if own.is_nan() { f64::INFINITY } else { worst.max(own) }
    })
}

/// Trains every case; gives each loss's largest difference with the case that has it.
fn differences<E: Executor>(make: impl Fn(Plan) -> E) -> BTreeMap<&'static str, (f64, String)> {
    let golden = golden();
    assert_eq!(golden.cases.len(), 72);
    let mut worst: BTreeMap<&'static str, (f64, String)> = BTreeMap::new();
    for case in &golden.cases {
        let setup = setup(&golden, case);
        let mut plan = setup.plan();
        // Only training is asked for; adapters compile what nobody asks for, too.
        plan.evaluate.steps.clear();
        plan.predict.steps.clear();
        let mut executor = make(plan);
        setup.fill(&mut executor);
        let layers = executor.plan().layers.clone();
        for (layer, initial) in layers.iter().zip(&case.initial) {
            let [weight, bias] = [initial.weight.concat(), initial.bias.clone()]
                .map(|numbers| numbers.iter().map(|x| *x as f32).collect::<Vec<_>>());
            executor.write(layer.weight, 0, TensorData::F32(&weight)).unwrap();
            executor.write(layer.bias, 0, TensorData::F32(&bias)).unwrap();
        }
        let losses = run(&setup, &mut executor, case.losses.len() as u32);
        let mut own = difference(&losses, &case.losses);
        for (layer, trained) in layers.iter().zip(&case.trained) {
            own = own.max(difference(&executor.read(layer.weight).unwrap(), &trained.weight.concat()));
            own = own.max(difference(&executor.read(layer.bias).unwrap(), &trained.bias));
        }
        let entry = worst.entry(case.loss.name()).or_default();
        if own >= entry.0 {
            *entry = (own, case.name.clone());
        }
    }
    worst
}

fn check(worst: &BTreeMap<&'static str, (f64, String)>) {
    // For docs/toolbox.md: cargo test golden_losses -- --nocapture
    worst.iter().for_each(|(loss, (own, name))| println!("{loss:24} {own:.1e}  {name}"));
    let wrong: Vec<_> = worst.iter().filter(|(_, (own, _))| *own > TOLERANCE).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(worst.len(), Loss::ALL.len(), "every loss is among the cases");
}

#[test]
fn the_cpu_follows_pytorchs_losses() {
    check(&differences(|plan| CpuExecutor::<f32>::new(plan).unwrap()));
}

#[test]
fn the_gpu_follows_pytorchs_losses() {
    let gpu = test_gpu().unwrap();
    check(&differences(|plan| GpuExecutor::new(gpu.clone(), plan).unwrap()));
}
