//! Small networks: every training step in lock-step with the oracle, and whole runs beside the CPU executor.

use super::compare::compare;
use super::kernels::{compare_tensor, written};
use super::report::Row;
use super::suite::{Fill, Numbers, numbers, replicas_for};
use crate::cpu::CpuExecutor;
use crate::error::{Error, Result};
use crate::executor::{Executor, StepMetrics};
use crate::gpu::{Gpu, GpuExecutor};
use crate::lower::{Capacity, PlanRequest};
use crate::ops::optimizer::Optimizer;
use crate::ops::{Activation, InputKind, Loss, TargetKind};
use crate::plan::{Plan, Port, ProgramId};
use crate::precision::Precision;
use crate::scalar::Bounded;
use crate::spec::{OptimizerSpec, Sequential, TrainSpec};
use crate::tensor::TensorData;
use crate::tensor::{Element, Iteration, Role, TensorId};

/// The sizes of the network and its data; none divides another.
const WIDTHS: [usize; 4] = [23, 17, 13, 10];
const BATCH: usize = 12;
const SAMPLES: usize = 29;
const REPLICAS: usize = 2;
/// Steps in lock-step; more than one epoch, with its short batch.
const LOCK_STEPS: u32 = 5;
/// Steps of a whole run.
const FREE_STEPS: u32 = 100;
/// How far a loss of the whole run may be from the CPU's, relatively. Rounding differs by 2^-23 a step and operation;
/// over a hundred steps of a network this small, at learning rates this low, errors add up rather than multiply.
const FREE_TOLERANCE: f64 = 1e-4;
/// The same where layers store f16: 64 of its ULPs of 2^-10. The above is 800 of f32's, so many of which f16 does not have. A sum
/// that is a last bit of f32 off may be stored a ULP of f16 off, and the steps after it make of that what they make of a ULP
/// of f32: behind batch norms ten of them.
const FREE_TOLERANCE_F16: f64 = 64.0 / 1024.0;

/// Losses whose gradients are steps, the same for all rows but for their signs, so that they cancel to nothing.
const STEPS: [Loss; 2] = [Loss::MeanAbsoluteError, Loss::Hinge];
/// Losses for the networks of the optimizers.
const SMOOTH: [Loss; 3] = [Loss::SoftmaxCrossEntropy, Loss::BinaryCrossEntropy, Loss::MeanSquaredError];

/// How many times its default an optimizer's learning rate may be such that runs stay tame; at most SGD's.
const TAME: f64 = 10.0;
/// Those that are not tame at that: momentum on top of steps of a given length makes them ten times as long. PyTorch's f32
/// loses its own f64 there, by up to half of the loss within a hundred steps of such a network, and by 2e-7 at the default.
const WILD: [&str; 2] = ["rmsprop-momentum", "rmsprop-centered-momentum"];

/// A network with its data, and how it is trained.
pub(super) struct Network {
    pub name: String,
    pub model: Sequential,
    pub plan: Plan,
    /// Whether whole runs of it stay together on different devices. Where gradients are rounding and nothing else, as those
    /// of a bias before a batch norm and those of losses whose terms cancel, Adam's steps are one rounding over another, as
    /// long as any: true on each device, different on all. Step by step, from the same numbers, they still have a bound
    /// (`Scalar::over`).
    pub stays: bool,
    precision: Precision,
    numbers: Vec<(TensorId, Numbers)>,
}

/// A network for every optimizer, each with another loss, for every loss and target, and those with norms, residuals and
/// dropout.
pub(super) fn networks(seed: u64, precision: Precision) -> Result<Vec<Network>> {
    let mut all = Vec::new();
    let presets = Optimizer::presets();
    let mut add = |model: &Sequential, loss, targets, optimizer: &str, what: &str, stays| {
        let unknown = || Error::spec("optimizer", format!("there is no `{optimizer}` to verify"));
        let preset = OptimizerSpec::named(optimizer).ok_or_else(unknown)?;
        let named = if what.is_empty() { optimizer.to_owned() } else { format!("{optimizer}, {what}") };
        all.push(Network::new((seed, precision), model.clone(), (loss, targets), (&named, &preset), stays)?);
        Ok(())
    };
    // Where layers store f16, nothing else is different about optimizers and losses.
    let few = precision == Precision::F16;
    let wanted = |name: &str| !few || ["sgd", "adam"].contains(&name);
    for (n, (name, _)) in presets.iter().enumerate().filter(|(_, (name, _))| wanted(name)) {
        let loss = SMOOTH[n % SMOOTH.len()];
        add(&plain(), loss, TargetKind::Classes, name, "", true)?;
        if WILD.contains(name) {
            add(&plain(), loss, TargetKind::Classes, name, "fast", false)?;
        }
    }
    for loss in Loss::ALL.iter().filter(|_| !few) {
        add(&plain(), *loss, TargetKind::Classes, "sgd", "", true)?;
        add(&plain(), *loss, TargetKind::Values, "adam", "", !STEPS.contains(loss))?;
        if STEPS.contains(loss) {
            add(&plain(), *loss, TargetKind::Values, "nesterov", "", true)?;
        }
    }
    for ((what, model), optimizer) in tailed().iter().zip(["sgd", "nesterov", "sgd", "nesterov"]) {
        for (optimizer, stays) in [(optimizer, true), ("adam", !model.has_batch_norm())] {
            add(model, Loss::SoftmaxCrossEntropy, TargetKind::Classes, optimizer, what, stays)?;
        }
    }
    Ok(all)
}

fn plain() -> Sequential {
    let [inputs, first, second, outputs] = WIDTHS;
    let model = Sequential::new(inputs).dense(first, Activation::Relu).dense(second, Activation::Tanh);
    model.dense(outputs, Activation::Linear)
}

/// Networks whose layers have more than an activation, alone and together. Their activations have no kinks: norms put sums
/// around zero, where rounding would take the other branch sooner or later.
fn tailed() -> [(&'static str, Sequential); 4] {
    let [inputs, width, other, outputs] = WIDTHS;
    let first = || Sequential::new(inputs).dense(width, Activation::Tanh);
    let end = |model: Sequential| model.dense(outputs, Activation::Linear);
    let skipping = first().dense(width, Activation::Sigmoid).residual(1).dense(width, Activation::Tanh).residual(2);
    let together =
        first().layer_norm().dropout(0.2).dense(width, Activation::Tanh).batch_norm().residual(1).dropout(0.1);
    [
        ("batch norm", end(first().batch_norm().dense(other, Activation::Sigmoid).batch_norm())),
        ("layer norm, dropout", end(first().layer_norm().dense(other, Activation::Sigmoid).dropout(0.3))),
        ("residuals", end(skipping)),
        ("everything", end(together.dense(width, Activation::Tanh).layer_norm().residual(2))),
    ]
}

impl Network {
    fn new(
        (seed, precision): (u64, Precision),
        model: Sequential,
        (loss, targets): (Loss, TargetKind),
        (name, preset): (&str, &OptimizerSpec),
        stays: bool,
    ) -> Result<Self> {
        let mut replicas = replicas_for(preset.optimizer, REPLICAS);
        let tame = if stays && WILD.contains(&name) { 1.0 } else { TAME };
        replicas.iter_mut().for_each(|replica| replica.learning_rate *= (tame * preset.learning_rate).min(1.0));
        if stays && model.layers.iter().any(|layer| layer.norm.is_some()) {
            // In whole runs L1 pulls what a norm makes small gradients of to zero, where its sign depends on the last bit.
            replicas.iter_mut().for_each(|replica| replica.l1 = 0.0);
        }
        let spec = TrainSpec { precision, ..TrainSpec::new(loss, preset.optimizer, BATCH, replicas) };
        let capacity = Capacity { batch: BATCH, samples: SAMPLES, order: SAMPLES };
        let plan = PlanRequest {
            model: &model,
            spec: &spec,
            samples: InputKind::SamplesU8,
            targets,
            weighted: false,
            train: capacity,
            evaluate: capacity,
            keep_gradients: false,
        }
        .plan()?;
        let numbers = data(&plan, seed);
        let stored = if precision == Precision::F16 { ", f16" } else { "" };
        Ok(Self { name: format!("{loss} {name}{stored}"), model, plan, stays, precision, numbers })
    }

    /// Writes samples, targets, orders and initial weights.
    pub fn fill(&self, executor: &mut dyn Executor) -> Result<()> {
        self.numbers.iter().try_for_each(|(id, numbers)| executor.write(*id, 0, numbers.data()))?;
        initialize(&self.model, executor)
    }

    fn iteration(step: u32) -> Iteration {
        let batches = SAMPLES.div_ceil(BATCH) as u32;
        let first = step % batches * BATCH as u32;
        Iteration { rows: (SAMPLES as u32 - first).min(BATCH as u32), first, slot: 0, number: step + 1 }
    }
}

/// The training program's samples, targets and orders.
fn data(plan: &Plan, seed: u64) -> Vec<(TensorId, Numbers)> {
    let program = plan.program(ProgramId::Train);
    [Port::Samples, Port::Targets, Port::Order]
        .into_iter()
        .map(|port| program.port(port))
        .map(|id| {
            let tensor = plan.tensor(id);
            let fill = match (tensor.role, tensor.element) {
                (Role::Order, _) => Fill::Orders(SAMPLES),
                (Role::Target, Element::U32) => Fill::Labels(WIDTHS[3] as u32),
                (Role::Target, _) => Fill::Activated(Activation::Sigmoid),
                _ => Fill::Pixels,
            };
            (id, numbers(&tensor.shape, fill, seed, id.index() as u32))
        })
        .collect()
}

/// Writes each replica's initial state.
pub(super) fn initialize(model: &Sequential, executor: &mut dyn Executor) -> Result<()> {
    let hyper = executor.plan().hyper.as_ref().expect("networks are trained");
    let seeds: Vec<u64> = hyper.replicas.iter().map(|replica| replica.seed).collect();
    executor.write_state(&model.initial(&seeds))
}

/// Every step of a few iterations, each from the GPU's own numbers: what one step gets wrong, no other hides.
pub(super) fn lock_step(gpu: &Gpu, network: &Network) -> Result<Row> {
    let mut oracle = CpuExecutor::<Bounded>::new(network.plan.clone())?;
    let mut device = GpuExecutor::new(gpu.clone(), network.plan.clone())?;
    network.fill(&mut oracle)?;
    network.fill(&mut device)?;
    let steps = &network.plan.program(ProgramId::Train).steps;
    let written = written(steps)?;
    let mut row = Row::new("lock-step", "automatic", network.name.clone());
    for number in 0..LOCK_STEPS {
        row.case();
        for (index, (step, written)) in steps.iter().zip(&written).enumerate() {
            let iteration = Network::iteration(number);
            device.submit_step(ProgramId::Train, index, iteration)?;
            oracle.submit_step(ProgramId::Train, index, iteration)?;
            for id in written {
                let name =
                    format!("step {number}, {} ({}): {}", step.label, step.operation(), network.plan.tensor(*id).name);
                row.note(&compare_tensor(&oracle, &mut device, *id)?, &name);
                // From here on the oracle has the GPU's number, exactly, with no bound of its own.
                let numbers = device.read(*id)?;
                oracle.write(*id, 0, TensorData::F32(&numbers))?;
            }
        }
    }
    Ok(row)
}

/// A whole run on both devices from the same weights.
pub(super) fn free_run(gpu: &Gpu, network: &Network) -> Result<Row> {
    let wanted: Vec<_> = losses(network, &mut CpuExecutor::<f32>::new(network.plan.clone())?)?;
    let tolerance = if network.precision == Precision::F16 { FREE_TOLERANCE_F16 } else { FREE_TOLERANCE };
    let bounded: Vec<_> = wanted.iter().map(|metrics| bounded_loss(metrics, tolerance)).collect();
    let had = losses(network, &mut GpuExecutor::new(gpu.clone(), network.plan.clone())?)?;
    let had: Vec<f32> = had.iter().map(StepMetrics::loss).collect();
    let mut row = Row::new("free run", "automatic", network.name.clone());
    row.case();
    row.note(&compare(&had, &bounded), "losses of all steps and replicas");
    Ok(row)
}

fn bounded_loss(metrics: &StepMetrics, tolerance: f64) -> Bounded {
    let value = f64::from(metrics.loss());
    Bounded { value, bound: tolerance * value.abs() }
}

fn losses(network: &Network, executor: &mut dyn Executor) -> Result<Vec<StepMetrics>> {
    network.fill(executor)?;
    let iterations: Vec<_> = (0..FREE_STEPS).map(Network::iteration).collect();
    executor.submit(ProgramId::Train, &iterations)?;
    executor.metrics(true)
}
