//! PyTorch's golden values for every activation: 50 steps of small networks, on both executors
//! (`tests/golden/make_activations.py`).

use serde::Deserialize;

use super::training::{Setup, run};
use crate::cpu::CpuExecutor;
use crate::executor::{Executor, TensorData};
use crate::gpu::GpuExecutor;
use crate::ops::{Activation, InputKind, Loss, TargetKind};
use crate::plan::Plan;
use crate::scalar::Bounded;
use crate::spec::{LossOptions, OptimizerSpec, Replica, Sequential, Sgd};
use crate::verify::{compare, test_gpu};

/// How far a loss or a weight may be from PyTorch's in f64, absolutely, and relatively above 1. PyTorch's own f32 run ends up
/// to 3.7e-7 from its f64 run (`final_f32_error`); another order of summation, and a device whose exp errs by
/// several ULP, may err a few times as much. A formula that is wrong shows in the first digits.
const TOLERANCE: f64 = 2e-6;
const MOMENTUM: f32 = 0.9;

#[derive(Deserialize)]
struct Golden {
    batch_size: usize,
    features: Vec<Vec<f32>>,
    labels: Vec<u32>,
    values: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    loss: Loss,
    hidden_activation: Activation,
    output_activation: Activation,
    widths: Vec<usize>,
    learning_rate: f32,
    initial: Vec<Layer>,
    losses_f64: Vec<f64>,
    #[serde(rename = "final")]
    trained: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/activations.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn setup(golden: &Golden, case: &Case) -> Setup {
    let units = case.widths.iter().skip(1).enumerate();
    let model = units.fold(Sequential::new(case.widths[0]), |model, (n, units)| {
        let last = n + 2 == case.widths.len();
        model.dense(*units, if last { case.output_activation } else { case.hidden_activation })
    });
    let optimizer: OptimizerSpec = Sgd::new(case.learning_rate).momentum(MOMENTUM).into();
    let classes = case.loss == Loss::SoftmaxCrossEntropy;
    Setup {
        model,
        loss: case.loss,
        optimizer: optimizer.optimizer,
        replicas: vec![Replica::new(0, &optimizer)],
        batch: golden.batch_size,
        samples: InputKind::SamplesF32,
        targets: if classes { TargetKind::Classes } else { TargetKind::Values },
        features: golden.features.concat(),
        labels: golden.labels.clone(),
        values: golden.values.concat(),
        orders: vec![(0..golden.labels.len() as u32).collect()],
        keep_gradients: false,
        loss_options: LossOptions::default(),
        weights: Vec::new(),
    }
}

/// Trains every case; gives what is wrong, and prints how far each is off at most, relatively above 1.
fn failures<E: Executor>(make: impl Fn(Plan) -> E) -> Vec<String> {
    let golden = golden();
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let setup = setup(&golden, case);
        let mut executor = make(setup.plan());
        setup.fill(&mut executor);
        let layers = executor.plan().layers.clone();
        let rounded = |numbers: &[f64]| numbers.iter().map(|x| *x as f32).collect::<Vec<_>>();
        for (layer, initial) in layers.iter().zip(&case.initial) {
            executor.write(layer.weight, 0, TensorData::F32(&rounded(&initial.weight.concat()))).unwrap();
            executor.write(layer.bias, 0, TensorData::F32(&rounded(&initial.bias))).unwrap();
        }
        let losses = run(&setup, &mut executor, case.losses_f64.len() as u32);
        let mut pairs = vec![("losses".to_owned(), losses, case.losses_f64.clone())];
        for (n, (layer, trained)) in layers.iter().zip(&case.trained).enumerate() {
            let weight = executor.read(layer.weight).unwrap();
            pairs.push((format!("weights of layer {n}"), weight, trained.weight.concat()));
            pairs.push((format!("biases of layer {n}"), executor.read(layer.bias).unwrap(), trained.bias.clone()));
        }
        let mut worst: f64 = 0.0;
        for (what, had, wanted) in pairs {
            let bounded = |value: &f64| Bounded { value: *value, bound: TOLERANCE * value.abs().max(1.0) };
            let comparison = compare(&had, &wanted.iter().map(bounded).collect::<Vec<_>>());
            worst = worst.max(comparison.worst * TOLERANCE);
            if !comparison.passed() {
                wrong.push(format!("{}: {what}: {comparison:?}", case.name));
            }
        }
        println!("{:20} {worst:.1e}", case.name);
    }
    wrong
}

#[test]
fn every_activation_trains_as_in_pytorch_on_the_cpu() {
    let wrong = failures(|plan| CpuExecutor::<f32>::new(plan).unwrap());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_activation_trains_as_in_pytorch_on_the_gpu() {
    let gpu = test_gpu().unwrap();
    let wrong = failures(|plan| GpuExecutor::new(gpu.clone(), plan).unwrap());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// In hidden layers, and at the output those that may stand there.
#[test]
fn every_activation_has_its_golden_values() {
    let golden = golden();
    for activation in Activation::ALL {
        let name = |place: &str| format!("{place}/{activation}");
        let has = |name: &String| golden.cases.iter().any(|case| case.name == *name && case.losses_f64.len() == 50);
        assert!(*activation == Activation::Softmax || has(&name("hidden")), "{activation}");
        assert!(activation.needs_sum() || has(&name("output")), "{activation}");
    }
}
