//! Norms, residuals and dropout in whole networks: gradients, replicas, threads, and what evaluation makes of them.

use super::determinism::{self, check_replicas, cpu, on, trained};
use super::gradients::{executor, setup, wrong_gradients};
use super::training::Setup;
use crate::cpu::CpuExecutor;
use crate::executor::Executor;
use crate::ops::optimizer::Optimizer;
use crate::ops::{Activation, Loss, TargetKind};
use crate::plan::{Plan, ProgramId, Step};
use crate::spec::{OptimizerSpec, Sequential};
use crate::tensor::Iteration;
use crate::verify::test_gpu;

const INPUTS: usize = 5;
const WIDTH: usize = 4;
/// What a gradient's error may be, relative to the largest or 1: ten times that of networks without norms, whose third
/// derivatives grow with the inverse cube of a deviation over as few as three rows or four units.
const TOLERANCE: f64 = 1e-8;

/// Two hidden layers, and a third that skips, each changed by one of the three functions.
fn network(changes: [fn(Sequential) -> Sequential; 3]) -> Sequential {
    let [first, second, third] = changes;
    let dense = |model: Sequential| model.dense(WIDTH, Activation::Tanh);
    let model = third(dense(second(dense(first(dense(Sequential::new(INPUTS)))))));
    model.dense(3, Activation::Linear)
}

/// What layers may have, alone and together; one output is added by one, two and three layers.
fn networks() -> Vec<(&'static str, Sequential)> {
    let none = |model| model;
    let batch: fn(Sequential) -> Sequential = Sequential::batch_norm;
    let layer: fn(Sequential) -> Sequential = Sequential::layer_norm;
    let residual = |model: Sequential| model.residual(1);
    let two_back = |model: Sequential| model.residual(2);
    let dropout = |model: Sequential| model.dropout(0.4);
    let all_batch = |model: Sequential| model.batch_norm().residual(1).dropout(0.4);
    let all_layer = |model: Sequential| model.layer_norm().residual(2).dropout(0.3);
    vec![
        ("batch norm", network([batch, none, batch])),
        ("layer norm", network([layer, layer, none])),
        ("residual", network([none, residual, none])),
        ("residual two back", network([none, none, two_back])),
        ("residuals from one layer", network([none, residual, two_back])),
        ("residuals in a row", network([none, residual, residual])),
        ("dropout", network([dropout, none, dropout])),
        ("batch norm, residual, dropout", network([batch, all_batch, residual])),
        ("layer norm, residual, dropout", network([dropout, layer, all_layer])),
        ("everything", network([layer, all_batch, all_layer])),
    ]
}

fn optimizer(name: &str) -> Optimizer {
    OptimizerSpec::named(name).unwrap().optimizer
}

#[test]
fn gradients_are_right_through_norms_residuals_and_dropout() {
    let mut wrong = Vec::new();
    for (name, model) in networks() {
        let base = setup(Loss::SoftmaxCrossEntropy, TargetKind::Classes, Activation::Tanh, Activation::Linear, 3, 1);
        let setup = Setup { model, ..base };
        wrong.extend(wrong_gradients(name, &setup, &mut executor(&setup), TOLERANCE));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Wide enough to be cut into tasks, with a rate of its own for each replica but the first.
fn wide() -> Setup {
    let mut setup = determinism::setup(optimizer("adam"), 3);
    let dense = |model: Sequential| model.dense(83, Activation::Relu);
    let model = dense(Sequential::new(setup.model.inputs)).batch_norm().dropout(0.2);
    let model = dense(dense(model).layer_norm().residual(1)).residual(2).dropout(0.5);
    setup.model = model.dense(10, Activation::Linear);
    setup.replicas[1].dropout = Some(0.4);
    setup.replicas[2].dropout = Some(0.0);
    setup
}

#[test]
fn a_replica_with_its_own_dropout_on_the_cpu_is_the_model_trained_alone() {
    check_replicas("tails", &wide(), &cpu);
}

#[test]
fn a_replica_with_its_own_dropout_on_the_gpu_is_the_model_trained_alone() {
    check_replicas("tails", &wide(), &on(&test_gpu().unwrap()));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let setup = wide();
    let results = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&setup, cpu(setup.plan()).as_mut()))
    });
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn a_replica_with_the_layers_rate_is_a_layer_with_that_rate() {
    let mut setup = determinism::setup(optimizer("sgd"), 1);
    setup.model.layers[0].dropout = 0.2;
    setup.replicas[0].dropout = Some(0.6);
    let own = trained(&setup, cpu(setup.plan()).as_mut());
    setup.model.layers[0].dropout = 0.6;
    setup.replicas[0].dropout = None;
    assert!(own == trained(&setup, cpu(setup.plan()).as_mut()));
    setup.replicas[0].seed += 1;
    assert!(own != trained(&setup, cpu(setup.plan()).as_mut()));
}

/// Of a layer that gives ones: a share of zeros near the rate, all others 1 / (1 - rate), other ones in every step, on both
/// devices the same; evaluation keeps all.
#[test]
fn dropout_drops_its_share_anew_in_each_step_and_not_in_evaluation() {
    const RATE: f32 = 0.3;
    let mut setup = determinism::setup(optimizer("sgd"), 1);
    setup.model.layers[0] = crate::DenseSpec { dropout: RATE, ..setup.model.layers[0].clone() };
    setup.replicas[0].learning_rate = 0.0;
    let gpu = test_gpu().unwrap();
    let outputs = |executor: &mut dyn Executor, id: ProgramId, prefix: &str, number: u32| {
        executor.submit(id, &[Iteration { rows: 70, first: 0, slot: 0, number }]).unwrap();
        executor.metrics(true).unwrap();
        let plan = executor.plan();
        let output = plan.tensor_named(&format!("{prefix}.layers.0.output"));
        executor.read(output).unwrap()[..70 * 83].to_vec()
    };
    let mut executors = [cpu(setup.plan()), on(&gpu)(setup.plan())];
    let mut all = Vec::new();
    for executor in &mut executors {
        setup.fill(executor.as_mut());
        let [weight, bias] = ["weight", "bias"].map(|what| executor.plan().tensor_named(&format!("layers.0.{what}")));
        executor.write(weight, 0, crate::tensor::TensorData::F32(&[0.0; 37 * 83])).unwrap();
        executor.write(bias, 0, crate::tensor::TensorData::F32(&[1.0; 83])).unwrap();
        assert_eq!(outputs(executor.as_mut(), ProgramId::Evaluate, "evaluate", 1), [1.0; 70 * 83]);
        all.push([1, 2].map(|number| outputs(executor.as_mut(), ProgramId::Train, "train", number)));
    }
    assert!(all[0] == all[1], "masks differ between the devices");
    let [first, second] = &all[0];
    assert_ne!(first, second);
    let zeros = first.iter().filter(|y| **y == 0.0).count() as f64 / first.len() as f64;
    // Four standard errors of a share of 5,810.
    assert!((zeros - f64::from(RATE)).abs() < 0.025, "{zeros} are zero");
    assert!(first.iter().all(|y| *y == 0.0 || (*y - 1.0 / (1.0 - RATE)).abs() < 1e-6));
}

/// What the plan's training step and evaluation have of them.
#[test]
fn steps_are_only_where_they_are_needed() {
    let stems = |plan: &Plan, id| plan.program(id).steps.iter().map(Step::operation).collect::<Vec<_>>();
    let plan = |model: Sequential| Setup { model, ..determinism::setup(optimizer("sgd"), 1) }.plan();
    let base = || Sequential::new(37).dense(8, Activation::Relu);
    let end = |model: Sequential| plan(model.dense(10, Activation::Linear));
    let dropped = end(base().dropout(0.5));
    let backward = ["dense_input_gradient", "tail_backward", "dense_weight_gradient"];
    let forward = ["dense_forward", "tail_forward", "dense_loss"];
    let [input, tail, weight] = backward;
    assert_eq!(stems(&dropped, ProgramId::Train), [&forward[..], &[input, weight, tail, weight]].concat());
    assert_eq!(stems(&dropped, ProgramId::Evaluate), ["dense_forward", "dense_forward", "loss_step"]);
    let normed = end(base().batch_norm());
    let steps = ["dense_forward", "batch_norm_forward", "dense_loss", input, weight, "batch_norm_backward", "update"];
    assert_eq!(stems(&normed, ProgramId::Train), [&steps[..], &[weight]].concat());
    assert_eq!(stems(&normed, ProgramId::Evaluate), ["dense_forward", "tail_forward", "dense_forward", "loss_step"]);
    assert_eq!(stems(&normed, ProgramId::Predict), ["dense_forward", "tail_forward", "dense_forward", "softmax"]);
}

/// PyTorch's rule: a step moves the running mean by a tenth of the way to the batch's mean, the running variance to the
/// unbiased variance.
#[test]
fn running_statistics_follow_the_batches() {
    let mut setup = determinism::setup(optimizer("sgd"), 1);
    setup.model = Sequential::new(37).dense(83, Activation::Tanh).batch_norm().dense(10, Activation::Linear);
    let mut executor = CpuExecutor::<f32>::new(setup.plan()).unwrap();
    setup.fill(&mut executor);
    let rows = 70;
    executor.submit(ProgramId::Train, &[Iteration { rows, first: 0, slot: 0, number: 1 }]).unwrap();
    let plan = executor.plan().clone();
    let sums = plan.tensor_named("train.layers.0.sums");
    let running = executor.read(plan.tensor_named("layers.0.norm.running")).unwrap();
    let sums = executor.read(sums).unwrap();
    for unit in 0..83 {
        let column: Vec<f64> = (0..rows as usize).map(|b| f64::from(sums[b * 83 + unit])).collect();
        let mean = column.iter().sum::<f64>() / f64::from(rows);
        let variance = column.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / f64::from(rows - 1);
        let near = |had: f32, wanted: f64| (f64::from(had) - wanted).abs() < 1e-6;
        assert!(near(running[unit], 0.1 * mean) && near(running[83 + unit], 0.9 + 0.1 * variance), "{unit}");
    }
}
