//! PyTorch's golden values of whole runs: specs as they serialize, 50 steps on both executors, by the trainer itself.
//! `tests/golden/README.md` says how they came, and how a case is added.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::Deserialize;

use super::checkpoint::NamedTensor;
use super::trainer::Trainer;
use super::{Callback, Device, LayerWeights, StepReport, epochs};
use crate::data::Dataset;
use crate::ops::optimizer::Optimizer;
use crate::scalar::Bounded;
use crate::spec::{OptimizerSpec, Sequential, TrainSpec};
use crate::verify::{compare, test_gpu};

/// How far numbers may be from PyTorch's in f64, relative to the largest of their tensor or series. PyTorch's own f32 run
/// ends up to 8e-6 from its f64 run (`f32_error`), where a mean of squares that has barely begun is divided by; another
/// order of summation may err several times as much (3.7e-5 on llvmpipe). A wrong formula shows in the first digits.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    features: Vec<Vec<f32>>,
    labels: Vec<u32>,
    values: Vec<Vec<f32>>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    name: String,
    model: Sequential,
    spec: TrainSpec,
    target: String,
    epochs: usize,
    initial: BTreeMap<String, Vec<f32>>,
    losses: Vec<f64>,
    #[serde(default)]
    norms: Vec<f64>,
    #[serde(rename = "final")]
    trained: BTreeMap<String, Vec<f64>>,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/runs.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What each step tells.
#[derive(Default)]
struct Steps {
    losses: Vec<f32>,
    norms: Vec<f32>,
}

impl Callback for Steps {
    fn on_step(&mut self, step: &StepReport) {
        self.losses.push(step.loss);
        self.norms.extend(step.gradient_norm.map(|norm| norm as f32));
    }
}

fn array(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn dataset(golden: &Golden, run: &Run) -> Dataset {
    let features = array(&golden.features);
    match run.target.as_str() {
        "classes" => Dataset::classification(features.view(), &golden.labels).unwrap(),
        _ => Dataset::regression(features.view(), array(&golden.values).view()).unwrap(),
    }
}

/// Trains as a run's spec says; gives what each step told, and the model's tensors.
fn train(golden: &Golden, run: &Run, device: &Device) -> (Steps, Vec<NamedTensor>) {
    let weights = vec![LayerWeights::initial(&run.model, 0)];
    let mut trainer = Trainer::assemble(run.model.clone(), run.spec.clone(), device.clone(), weights, None);
    let mut tensors = trainer.model_tensors().unwrap();
    for (name, initial) in &run.initial {
        let tensor = tensors.iter_mut().find(|tensor| tensor.name == *name).unwrap();
        assert_eq!(tensor.values.len(), initial.len(), "{}: {name}", run.name);
        tensor.values.clone_from(initial);
    }
    trainer.write_tensors(&tensors).unwrap();
    let mut steps = Steps::default();
    trainer.fit(&dataset(golden, run), epochs(run.epochs), &mut steps).unwrap();
    let tensors = trainer.model_tensors().unwrap();
    (steps, tensors)
}

/// The largest difference, relative to the largest number, and whether it is within the tolerance.
fn difference(had: &[f32], wanted: &[f64]) -> (f64, bool) {
    let largest = wanted.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let bounded: Vec<_> = wanted.iter().map(|value| Bounded { value: *value, bound: TOLERANCE * largest }).collect();
    let comparison = compare(had, &bounded);
    (comparison.worst * TOLERANCE, comparison.passed())
}

/// Trains every run; gives what is wrong, and prints for docs/toolbox.md the largest difference of each piece, the first
/// word of its runs' names.
fn failures(device: &Device) -> Vec<String> {
    let golden = golden();
    let mut wrong = Vec::new();
    let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
    for run in &golden.runs {
        let (steps, tensors) = train(&golden, run, device);
        let piece = run.name.split('/').take(if run.name.starts_with("schedule/") { 2 } else { 1 }).last().unwrap();
        let mut check = |what: &str, had: &[f32], wanted: &[f64]| {
            let (difference, passed) = difference(had, wanted);
            let largest = worst.entry(piece).or_default();
            *largest = largest.max(difference);
            if !passed {
                wrong.push(format!("{}: {what}: {difference:.1e}", run.name));
            }
        };
        check("losses", &steps.losses, &run.losses);
        check("norms", &steps.norms, &run.norms);
        for (name, wanted) in &run.trained {
            let tensor = tensors.iter().find(|tensor| tensor.name == *name).unwrap();
            check(name, &tensor.values, wanted);
        }
    }
    worst.iter().for_each(|(piece, difference)| println!("{piece:28} {difference:.1e} {}", device.info().device));
    wrong
}

#[test]
fn the_cpu_runs_specs_as_pytorch_does() {
    let wrong = failures(&Device::cpu());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_gpu_runs_specs_as_pytorch_does() {
    let wrong = failures(&test_gpu().unwrap().into());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every optimizer under each of its names, and at its defaults, is among the runs.
#[test]
fn the_golden_runs_cover_the_optimizers() {
    let golden = golden();
    for (name, OptimizerSpec { optimizer, learning_rate, momentum, .. }) in Optimizer::presets() {
        let is = |run: &&Run| run.name == name && run.spec.optimizer == optimizer;
        let run = golden.runs.iter().find(is).unwrap_or_else(|| panic!("{name}"));
        let replica = run.spec.replicas[0];
        assert_eq!((replica.learning_rate, replica.momentum), (learning_rate, momentum), "{name}");
    }
    assert!(golden.runs.iter().all(|run| run.losses.len() == 50));
}

/// The comparison sees an update rule that is another's.
#[test]
fn a_wrong_rule_is_seen() {
    let golden = golden();
    let find = |name: &str| golden.runs.iter().find(|run| run.name == name).unwrap();
    let (momentum, nesterov) = (find("momentum/decay"), find("nesterov/decay"));
    let wrong = Run {
        name: String::new(),
        spec: nesterov.spec.clone(),
        initial: momentum.initial.clone(),
        losses: momentum.losses.clone(),
        norms: Vec::new(),
        trained: momentum.trained.clone(),
        model: momentum.model.clone(),
        target: momentum.target.clone(),
        epochs: momentum.epochs,
    };
    let (steps, _) = train(&golden, &wrong, &Device::cpu());
    let (difference, passed) = difference(&steps.losses, &momentum.losses);
    assert!(!passed && difference > 100.0 * TOLERANCE, "{difference}");
}
