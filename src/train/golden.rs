//! PyTorch's golden values: whole runs, given as specs as they serialize, on both executors by the trainer itself.
//! `tests/golden/README.md` says how they came, and how a run is added.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use serde::Deserialize;

use super::trainer::Trainer;
use super::{Callback, Device, StepReport, epochs};
use crate::data::Dataset;
use crate::ops::optimizer::Optimizer;
use crate::ops::{Activation, Loss};
use crate::scalar::Bounded;
use crate::spec::{Norm, OptimizerSpec, Sequential, TrainSpec};
use crate::state::{NamedTensor, State};
use crate::verify::{compare, test_gpu};

/// How many times as far from PyTorch's f64 as PyTorch's own f32 a run may end: `f32_error`, which is the largest of eight
/// orders of addition. Ours is a ninth, with a device's exp, division and square root, which WGSL lets err by up to five
/// ULP where PyTorch's are all but right.
const ROOM: f64 = 8.0;

#[derive(Deserialize)]
struct Golden {
    features: Vec<Vec<f32>>,
    targets: BTreeMap<String, GoldenTargets>,
    #[serde(default)]
    weights: Vec<f32>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GoldenTargets {
    Classes(Vec<u32>),
    Values(Vec<Vec<f32>>),
}

#[derive(Clone, Deserialize)]
struct Run {
    name: String,
    model: Sequential,
    spec: TrainSpec,
    target: String,
    weighted: bool,
    epochs: usize,
    initial: BTreeMap<String, Vec<f32>>,
    losses: Vec<f64>,
    #[serde(default)]
    norms: Vec<f64>,
    outputs: Vec<f64>,
    #[serde(rename = "final")]
    trained: BTreeMap<String, Vec<f64>>,
    f32_error: f64,
}

/// What a run's training gave, by what it is.
type Answers = BTreeMap<String, Vec<f32>>;

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

impl Golden {
    fn read(file: &str) -> Self {
        let path = format!("{}/tests/golden/{file}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn find(&self, name: &str) -> &Run {
        self.runs.iter().find(|run| run.name == name).unwrap_or_else(|| panic!("{name}"))
    }

    fn dataset(&self, run: &Run) -> Dataset {
        let features = array(&self.features);
        let data = match &self.targets[&run.target] {
            GoldenTargets::Classes(labels) => Dataset::classification(features.view(), labels).unwrap(),
            GoldenTargets::Values(values) => Dataset::regression(features.view(), array(values).view()).unwrap(),
        };
        if run.weighted { data.with_weights(self.weights.clone()).unwrap() } else { data }
    }

    /// Trains as a run says.
    fn train(&self, run: &Run, device: &Device) -> Answers {
        run.spec.validate(&run.model).unwrap();
        let start = run.start();
        let mut trainer = Trainer::assemble(run.model.clone(), run.spec.clone(), device.clone(), start, None);
        let mut steps = Steps::default();
        trainer.fit(&self.dataset(run), epochs(run.epochs), &mut steps).unwrap();
        let mut answers: Answers =
            trainer.model_tensors().unwrap().iter().map(|own| (own.name().to_owned(), own.values().to_vec())).collect();
        let outputs = trainer.outputs(array(&self.features).view()).unwrap();
        answers.insert("outputs".to_owned(), outputs.into_iter().collect());
        answers.insert("losses".to_owned(), steps.losses);
        answers.insert("norms".to_owned(), steps.norms);
        answers
    }
}

impl Run {
    /// Its initial parameters.
    fn start(&self) -> State {
        let tensor = |(name, values): (&String, &Vec<f32>)| {
            let spec = self.model.tensors().into_iter().find(|spec| spec.tensor.name == *name).unwrap();
            NamedTensor::new(name, &spec.tensor.shape, values.clone()).unwrap()
        };
        let start = State::from_tensors(self.initial.iter().map(tensor)).unwrap();
        self.model.check_state(&start).unwrap();
        start.repeated(1)
    }

    /// What PyTorch has, by what it is.
    fn wanted(&self) -> impl Iterator<Item = (&str, &[f64])> {
        let series = [("losses", &self.losses), ("norms", &self.norms), ("outputs", &self.outputs)];
        series
            .into_iter()
            .chain(self.trained.iter().map(|(name, values)| (name.as_str(), values)))
            .map(|(what, values)| (what, values.as_slice()))
    }

    fn tolerance(&self) -> f64 {
        ROOM * self.f32_error
    }

    /// The largest difference of anything, relative to the largest number of its series or tensor, and what is beyond the
    /// tolerance.
    fn compare(&self, answers: &Answers) -> (f64, Vec<String>) {
        let (mut worst, mut wrong) = (0.0f64, Vec::new());
        for (what, wanted) in self.wanted() {
            let largest = wanted.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            let bound = self.tolerance() * largest;
            let bounded: Vec<_> = wanted.iter().map(|value| Bounded { value: *value, bound }).collect();
            let comparison = compare(&answers[what], &bounded);
            let difference = comparison.worst * self.tolerance();
            worst = worst.max(difference);
            if !comparison.passed() {
                wrong.push(format!("{}: {what}: {difference:.1e}, not {:.1e}", self.name, self.tolerance()));
            }
        }
        (worst, wrong)
    }
}

/// Trains every run of a file, and prints for docs/toolbox.md how far each piece, the first word of its runs' names, is
/// from PyTorch, and PyTorch's f32 itself.
fn check(file: &str, device: &Device) {
    let golden = Golden::read(file);
    let mut wrong = Vec::new();
    let mut worst: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for run in &golden.runs {
        let (difference, own) = run.compare(&golden.train(run, device));
        wrong.extend(own);
        let entry = worst.entry(run.name.split('/').next().unwrap()).or_default();
        *entry = [entry[0].max(difference), entry[1].max(run.f32_error)];
    }
    for (piece, [difference, own]) in worst {
        println!("{file} {piece:28} {difference:.1e} (PyTorch's f32: {own:.1e}) {}", device.info().device);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn gpu() -> Device {
    test_gpu().unwrap().into()
}

#[test]
fn the_cpu_trains_as_pytorch_does() {
    check("training", &Device::cpu());
}

#[test]
fn the_gpu_trains_as_pytorch_does() {
    check("training", &gpu());
}

#[test]
fn every_activation_trains_as_in_pytorch_on_the_cpu() {
    check("activations", &Device::cpu());
}

#[test]
fn every_activation_trains_as_in_pytorch_on_the_gpu() {
    check("activations", &gpu());
}

#[test]
fn the_cpu_follows_pytorchs_losses() {
    check("losses", &Device::cpu());
}

#[test]
fn the_gpu_follows_pytorchs_losses() {
    check("losses", &gpu());
}

#[test]
fn the_cpu_runs_specs_as_pytorch_does() {
    check("runs", &Device::cpu());
}

#[test]
fn the_gpu_runs_specs_as_pytorch_does() {
    check("runs", &gpu());
}

#[test]
fn norms_residuals_and_dropout_train_as_in_pytorch_on_the_cpu() {
    check("layers", &Device::cpu());
}

#[test]
fn norms_residuals_and_dropout_train_as_in_pytorch_on_the_gpu() {
    check("layers", &gpu());
}

/// Every optimizer under each of its names, and at its defaults, is among the runs.
#[test]
fn the_golden_runs_cover_the_optimizers() {
    let golden = Golden::read("runs");
    for (name, OptimizerSpec { optimizer, learning_rate, momentum, .. }) in Optimizer::presets() {
        let run = golden.find(name);
        let replica = run.spec.replicas[0];
        let had = (run.spec.optimizer, replica.learning_rate, replica.momentum);
        assert_eq!(had, (optimizer, learning_rate, momentum), "{name}");
    }
    assert!(golden.runs.iter().all(|run| run.losses.len() == 50));
}

/// In hidden layers, and at the output those that may stand there.
#[test]
fn every_activation_has_its_golden_values() {
    let golden = Golden::read("activations");
    for activation in Activation::ALL {
        let has = |place: &str, layer: fn(&Run) -> Activation| {
            let run = golden.find(&format!("{activation}/{place}"));
            layer(run) == *activation && run.losses.len() == 50
        };
        let last = |run: &Run| run.model.layers[run.model.layers.len() - 1].activation;
        assert!(
            *activation == Activation::Softmax || has("hidden", |run| run.model.layers[0].activation),
            "{activation}"
        );
        assert!(activation.needs_sum() || has("output", last), "{activation}");
    }
}

#[test]
fn every_loss_has_its_golden_values() {
    let golden = Golden::read("losses");
    for loss in Loss::ALL {
        let mut own = golden.runs.iter().filter(|run| run.spec.loss == *loss && run.losses.len() == 50);
        assert!(own.any(|run| run.weighted), "{loss}");
    }
    assert_eq!((golden.runs.len(), Golden::read("training").runs.len()), (72, 40));
}

/// Each of them alone, and all together; and with running statistics among the tensors that are compared.
#[test]
fn what_follows_a_layers_sums_has_its_golden_values() {
    let golden = Golden::read("layers");
    let kinds: BTreeSet<_> = golden
        .runs
        .iter()
        .flat_map(|run| run.model.layers.iter().map(move |layer| (run, layer)))
        .map(|(run, layer)| {
            let norm = layer.norm.map(|norm| matches!(norm, Norm::Batch { .. }));
            let running = run.trained.keys().any(|name| name.ends_with("running"));
            assert!(running || norm != Some(true), "{}", run.name);
            (norm, layer.residual.is_some(), layer.dropout > 0.0)
        })
        .collect();
    for norm in [Some(true), Some(false)] {
        assert!(kinds.contains(&(norm, false, false)) && kinds.contains(&(norm, true, true)), "{norm:?}");
    }
    assert!(kinds.contains(&(None, true, false)) && kinds.contains(&(None, false, true)));
    assert!(golden.runs.iter().all(|run| run.losses.len() == 50));
}

/// The comparison sees what is another's: an update rule, a mask, statistics that do not run.
#[test]
fn what_is_wrong_is_seen() {
    let seen = |golden: &Golden, name: &str, change: fn(&mut Run)| {
        let mut wrong = golden.find(name).clone();
        change(&mut wrong);
        let (difference, misses) = wrong.compare(&golden.train(&wrong, &Device::cpu()));
        assert!(!misses.is_empty() && difference > 100.0 * wrong.tolerance(), "{name}: {difference}");
    };
    let (runs, layers) = (Golden::read("runs"), Golden::read("layers"));
    let nesterov = |run: &mut Run| run.spec.optimizer = OptimizerSpec::named("nesterov").unwrap().optimizer;
    seen(&runs, "momentum/decay", nesterov);
    seen(&layers, "dropout", |run| run.spec.replicas[0].seed += 1);
    seen(&layers, "dropout/own", |run| run.spec.replicas[0].dropout = None);
    seen(&layers, "batch-norm", |run| run.model.layers[0].norm = Some(Norm::Batch { momentum: 0.2, epsilon: 1e-5 }));
    seen(&layers, "layer-norm", |run| run.model.layers[0].norm = Some(Norm::Layer { epsilon: 1e-3 }));
    seen(&layers, "residual/from-one", |run| run.model.layers[2].residual = Some(1));
}
