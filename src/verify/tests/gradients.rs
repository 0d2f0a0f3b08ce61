//! Every backward operation against central differences of the loss, in f64.

use super::training::Setup;
use crate::cpu::CpuExecutor;
use crate::executor::Executor;
use crate::ops::{Activation, Head, InputKind, Loss, TargetKind};
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::random::{Purpose, Stream};
use crate::spec::{LossOptions, Sequential};
use crate::tensor::{Iteration, TensorId};
use crate::verify::cases::ANY;
use crate::verify::suite::replicas;

const INPUTS: usize = 5;
const HIDDEN: usize = 4;
const SAMPLES: usize = 6;
const BATCH: usize = 4;
const REPLICAS: usize = 2;
/// A short batch, from the middle of the order.
const ITERATION: Iteration = Iteration { rows: 3, first: 2, slot: 0, number: 1 };

/// The step h of the differences. Their error is h² f'''/6 + ε |f| / h; with ε = 1.1e-16 and f and f''' of about 1, the
/// sum is smallest near h = ∛(3 ε) = 7e-6, where it is 3e-11.
const STEP: f64 = 7e-6;
/// What the error may be, relative to the largest gradient or 1: third derivatives, and sums of a few dozen terms, may
/// make it some ten times the above. A wrong formula shows in the first digits.
const TOLERANCE: f64 = 1e-9;
/// How far the sums before a kinked activation must be from its kink: the step moves them by less than 1e-4.
const KINK_MARGIN: f64 = 1e-3;

pub(super) fn setup(
    loss: Loss,
    targets: TargetKind,
    hidden: Activation,
    output: Activation,
    outputs: usize,
    seed: u64,
) -> Setup {
    let mut stream = Stream::new(seed, Purpose::Inputs, 0);
    let model = Sequential::new(INPUTS).dense(HIDDEN, hidden).dense(HIDDEN - 1, hidden).dense(outputs, output);
    let classes = match (loss.head(), outputs) {
        (Head::Softmax, _) => outputs as u32,
        (_, 1) => 2,
        _ => outputs as u32,
    };
    let mut replicas = replicas(REPLICAS);
    replicas.iter_mut().for_each(|replica| replica.seed += seed * REPLICAS as u64);
    Setup {
        model,
        loss,
        optimizer: ANY,
        replicas,
        batch: BATCH,
        samples: InputKind::SamplesF32,
        targets,
        features: (0..SAMPLES * INPUTS).map(|_| stream.symmetric(1.0) + 0.125).collect(),
        labels: (0..SAMPLES).map(|_| stream.word() % classes).collect(),
        values: (0..SAMPLES * outputs).map(|_| stream.unit()).collect(),
        orders: vec![vec![3, 1, 4, 0, 5, 2], vec![2, 5, 0, 1, 3, 4]],
        keep_gradients: true,
        loss_options: LossOptions::default(),
        precision: Precision::F32,
        weights: Vec::new(),
    }
}

/// The executor with its tensors filled, biases and norms too, and one iteration run.
pub(super) fn executor(setup: &Setup) -> CpuExecutor<f64> {
    let mut executor = CpuExecutor::<f64>::new(setup.plan()).unwrap();
    setup.fill(&mut executor);
    let mut stream = Stream::new(9, Purpose::Inputs, 1);
    for n in 0..setup.model.layers.len() {
        let bias = executor.plan().tensor_named(&format!("layers.{n}.bias"));
        for at in 0..executor.plan().tensor(bias).len() {
            *executor.number_mut(bias, at) = f64::from(stream.symmetric(0.5));
        }
        if let Some(scales) = executor.plan().find_tensor(&format!("layers.{n}.norm.scales")) {
            for at in 0..executor.plan().tensor(scales).len() {
                *executor.number_mut(scales, at) += f64::from(stream.symmetric(0.5));
            }
        }
    }
    // Training leaves gradients, evaluation all layers' outputs.
    for program in [ProgramId::Train, ProgramId::Evaluate] {
        executor.submit_weighted(program, &[ITERATION], &setup.batch_weights(&[ITERATION])).unwrap();
    }
    executor.metrics(true).unwrap();
    executor
}

/// Each replica's mean loss.
fn losses(setup: &Setup, executor: &mut CpuExecutor<f64>) -> Vec<f64> {
    let weights = setup.batch_weights(&[ITERATION]);
    executor.submit_weighted(ProgramId::Train, &[ITERATION], &weights).unwrap();
    let metrics = executor.metrics(true).unwrap();
    // Gradients are multiplied by the f32 that is next to the quotient.
    metrics.iter().map(|metrics| metrics.loss_sum * f64::from((1.0 / metrics.weight) as f32)).collect()
}

/// How far from its activation's kinks a sum is at least, as far as the activation's value tells it. Where a value stands
/// for many sums, it does not tell how near they were; one that is too near would make the check fail, not pass.
fn distance(activation: Activation, a: f64) -> f64 {
    /// No activation is steeper.
    const STEEPEST: f64 = 2.0;
    let kinks = activation.kinks().iter().map(|kink| activation.value(f64::from(*kink)));
    kinks.map(|value| (a - value).abs() / STEEPEST).filter(|distance| *distance > 0.0).fold(f64::INFINITY, f64::min)
}

/// The smallest distance of a sum from an activation's kink.
fn kink_distance(setup: &Setup, executor: &CpuExecutor<f64>) -> f64 {
    let mut nearest = f64::INFINITY;
    for (n, layer) in setup.model.layers.iter().enumerate() {
        let plan = executor.plan();
        let output = plan.tensor_named(&format!("evaluate.layers.{n}.output"));
        for r in 0..REPLICAS {
            let outputs = &executor.numbers(output)[r * BATCH * layer.units..];
            for a in &outputs[..ITERATION.rows as usize * layer.units] {
                nearest = nearest.min(distance(layer.activation, *a));
            }
        }
    }
    nearest
}

/// The gradients of a network that stays clear of kinks, against differences; gives what is wrong.
fn check(loss: Loss, targets: TargetKind, hidden: Activation, output: Activation, outputs: usize) -> Vec<String> {
    let name = format!("{loss} {targets:?} {hidden} {output} O={outputs}");
    check_with(&name, |seed| setup(loss, targets, hidden, output, outputs, seed))
}

fn check_with(name: &str, draw: impl Fn(u64) -> Setup) -> Vec<String> {
    let draws = (1..100).map(draw);
    let mut clear = draws.map(|setup| (executor(&setup), setup)).filter(|(e, s)| kink_distance(s, e) > KINK_MARGIN);
    let (mut executor, setup) = clear.next().expect("one in a hundred networks stays clear of kinks");
    wrong_gradients(name, &setup, &mut executor, TOLERANCE)
}

/// Which gradients of an executor that has run are wrong.
pub(super) fn wrong_gradients(
    name: &str,
    setup: &Setup,
    executor: &mut CpuExecutor<f64>,
    tolerance: f64,
) -> Vec<String> {
    let mut wrong = Vec::new();
    // All gradients first: taking differences writes them anew.
    let gradients: Vec<_> = (0..setup.model.layers.len()).map(|n| gradients(executor, n)).collect();
    for (n, own) in gradients.into_iter().enumerate() {
        for (what, parameter, gradients) in own {
            let error = worst_error(setup, executor, parameter, &gradients);
            let close = error <= tolerance;
            if !close {
                wrong.push(format!("{name}: {what} gradient of layer {n} is {error:e} off"));
            }
        }
    }
    wrong
}

/// Gradients of layer `n`'s weight and bias, and of its norm's scales.
fn gradients(executor: &CpuExecutor<f64>, n: usize) -> Vec<(&'static str, TensorId, Vec<f64>)> {
    let plan = executor.plan();
    let own = |what: &'static str| {
        let parameter = plan.find_tensor(&format!("layers.{n}.{what}"))?;
        let gradient = plan.tensor_named(&format!("layers.{n}.{what}.gradient"));
        Some((what, parameter, executor.numbers(gradient)))
    };
    ["weight", "bias", "norm.scales"].into_iter().filter_map(own).collect()
}

/// The largest difference of a tensor's gradients from the quotients, relative to the largest gradient or 1.
fn worst_error(setup: &Setup, executor: &mut CpuExecutor<f64>, parameter: TensorId, gradients: &[f64]) -> f64 {
    let scale = gradients.iter().fold(1.0, |largest: f64, g| largest.max(g.abs()));
    let own = gradients.len() / REPLICAS;
    let mut worst = 0.0;
    for (at, gradient) in gradients.iter().enumerate() {
        let value = *executor.number_mut(parameter, at);
        let mut loss_at = |moved: f64| {
            *executor.number_mut(parameter, at) = moved;
            losses(setup, executor)
        };
        let (above, below) = (loss_at(value + STEP), loss_at(value - STEP));
        *executor.number_mut(parameter, at) = value;
        for r in 0..REPLICAS {
            // A replica's parameter moves no other replica's loss.
            let wanted = if at / own == r { *gradient } else { 0.0 };
            let error = ((above[r] - below[r]) / (2.0 * STEP) - wanted).abs() / scale;
            worst = if error.is_nan() || error > worst { error } else { worst };
        }
    }
    worst
}

fn all_hidden() -> impl Iterator<Item = Activation> {
    Activation::ALL.iter().copied().filter(|activation| *activation != Activation::Softmax)
}

#[test]
fn every_hidden_activation_has_its_derivative() {
    let mut wrong = Vec::new();
    for hidden in all_hidden() {
        wrong.extend(check(Loss::SoftmaxCrossEntropy, TargetKind::Classes, hidden, Activation::Linear, 3));
        wrong.extend(check(Loss::MeanSquaredError, TargetKind::Values, hidden, Activation::Linear, 3));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_loss_has_its_gradient_for_every_target_and_output() {
    let mut wrong = Vec::new();
    let (hidden, every) = (Activation::Tanh, Activation::told_by_value());
    for loss in Loss::ALL {
        let outputs = match loss.output_activations() {
            [] => &every[..],
            own => own,
        };
        for (output, units) in outputs.iter().flat_map(|output| [(*output, 4), (*output, 1)]) {
            wrong.extend(check(*loss, TargetKind::Classes, hidden, output, units));
            wrong.extend(check(*loss, TargetKind::Values, hidden, output, units));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn options_and_weights_are_in_every_losss_gradient() {
    let mut wrong = Vec::new();
    for (loss, targets) in Loss::ALL.iter().flat_map(|loss| [(*loss, TargetKind::Classes), (*loss, TargetKind::Values)])
    {
        for weighted in [false, true] {
            let draw = |seed| {
                let mut setup = setup(loss, targets, Activation::Tanh, Activation::Linear, 3, seed);
                let smooth = loss == Loss::SoftmaxCrossEntropy;
                let label_smoothing = if smooth { 0.15 } else { 0.0 };
                let huber_delta = if loss == Loss::Huber { 0.3 } else { 1.0 };
                let class_weights = if weighted { vec![0.5, 2.0, 1.25] } else { Vec::new() };
                setup.loss_options = LossOptions { label_smoothing, huber_delta, class_weights };
                setup.weights = if weighted { vec![0.25, 3.0, 0.0, 1.0, 1.5, 0.75] } else { Vec::new() };
                setup
            };
            wrong.extend(check_with(&format!("{loss} {targets:?} weighted {weighted}"), draw));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The check itself sees a derivative that is a thousandth off.
#[test]
fn a_wrong_gradient_is_seen() {
    let setup = setup(Loss::MeanSquaredError, TargetKind::Values, Activation::Tanh, Activation::Linear, 3, 1);
    let mut executor = executor(&setup);
    let (_, weight, mut spoiled) = gradients(&executor, 0).swap_remove(0);
    assert!(worst_error(&setup, &mut executor, weight, &spoiled) <= TOLERANCE);
    spoiled[3] *= 1.001;
    assert!(worst_error(&setup, &mut executor, weight, &spoiled) > 100.0 * TOLERANCE);
}
