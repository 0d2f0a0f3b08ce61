//! The same bits: run after run, alone or beside other replicas, on any number of threads.

use super::subgroups::subgroup_gpu;
use super::training::{Setup, run};
use crate::cpu::CpuExecutor;
use crate::executor::Executor;
use crate::gpu::{Gpu, GpuExecutor};
use crate::ops::optimizer::Optimizer;
use crate::ops::{Activation, InputKind, Loss, SUBGROUP, TargetKind};
use crate::plan::{Plan, ProgramId};
use crate::precision::Precision;
use crate::random::{Purpose, Stream, epoch_order};
use crate::spec::{LossOptions, MAX_REPLICAS, Sequential};
use crate::tensor::Role;
use crate::verify::cases::ANY;
use crate::verify::optimizer_cases::optimizers;
use crate::verify::suite::{replicas, replicas_for};
use crate::verify::test_gpu;

/// Wide enough for several shards of rows and units on the CPU, and several tiles on the GPU; the last batch is short.
const INPUTS: usize = 37;
const HIDDEN: usize = 83;
const OUTPUTS: usize = 10;
const BATCH: usize = 70;
const SAMPLES: usize = 150;
const STEPS: u32 = 7;
const REPLICAS: usize = 3;

pub(super) fn setup(optimizer: Optimizer, count: usize) -> Setup {
    let mut stream = Stream::new(5, Purpose::Inputs, 0);
    let replicas = replicas_for(optimizer, count);
    Setup {
        model: Sequential::new(INPUTS).dense(HIDDEN, Activation::Relu).dense(OUTPUTS, Activation::Linear),
        loss: Loss::SoftmaxCrossEntropy,
        optimizer,
        batch: BATCH,
        samples: InputKind::SamplesF32,
        targets: TargetKind::Classes,
        features: (0..SAMPLES * INPUTS).map(|_| stream.symmetric(1.0) + 0.125).collect(),
        labels: (0..SAMPLES).map(|_| stream.word() % OUTPUTS as u32).collect(),
        values: Vec::new(),
        orders: replicas.iter().map(|replica| epoch_order(replica.seed, 0, SAMPLES, true)).collect(),
        replicas,
        keep_gradients: false,
        loss_options: LossOptions::default(),
        precision: Precision::F32,
        weights: Vec::new(),
    }
}

/// The bits of all losses and of all trained numbers and optimizer states, replica by replica.
pub(super) fn trained(setup: &Setup, executor: &mut dyn Executor) -> Vec<Vec<u32>> {
    setup.fill(executor);
    let losses = run(setup, executor, STEPS);
    let count = setup.replicas.len();
    let mut bits: Vec<Vec<u32>> = vec![Vec::new(); count];
    losses.iter().enumerate().for_each(|(at, loss)| bits[at % count].push(loss.to_bits()));
    let kept = executor.plan().tensors.iter().map(|t| t.role.is_model() || t.role == Role::OptimizerState);
    let ids: Vec<_> = executor.plan().ids().zip(kept).filter(|(_, kept)| *kept).map(|(id, _)| id).collect();
    for id in ids {
        let values = executor.read(id).unwrap();
        assert!(
            values.iter().all(|value| value.is_finite())
                && (values.is_empty() || values.iter().any(|value| *value != 0.0))
        );
        let own = values.len() / count;
        values.iter().enumerate().for_each(|(at, value)| bits[at / own].push(value.to_bits()));
    }
    bits
}

/// The setup of one replica alone.
pub(super) fn alone(setup: &Setup, r: usize) -> Setup {
    Setup { replicas: vec![setup.replicas[r]], orders: vec![setup.orders[r].clone()], ..setup.clone() }
}

pub(super) fn cpu(plan: Plan) -> Box<dyn Executor> {
    Box::new(CpuExecutor::<f32>::new(plan).unwrap())
}

pub(super) fn on(gpu: &Gpu) -> impl Fn(Plan) -> Box<dyn Executor> + '_ {
    |plan| Box::new(GpuExecutor::new(gpu.clone(), plan).unwrap())
}

fn replicas_agree_with_single_runs(make: &dyn Fn(Plan) -> Box<dyn Executor>) {
    for (name, optimizer) in optimizers() {
        check_replicas(name, &setup(optimizer, REPLICAS), make);
    }
}

/// Each replica's bits must be those of a run of its own.
pub(super) fn check_replicas(name: &str, setup: &Setup, make: &dyn Fn(Plan) -> Box<dyn Executor>) {
    let together = trained(setup, make(setup.plan()).as_mut());
    for (r, together) in together.iter().enumerate() {
        let single = alone(setup, r);
        let single = trained(&single, make(single.plan()).as_mut());
        assert!(single[0] == *together, "{name}: replica {r} differs from a run of its own");
    }
    assert_ne!(together[0], together[1]);
}

#[test]
fn a_replica_on_the_cpu_is_the_model_trained_alone() {
    replicas_agree_with_single_runs(&cpu);
}

#[test]
fn a_replica_on_the_gpu_is_the_model_trained_alone() {
    replicas_agree_with_single_runs(&on(&test_gpu().unwrap()));
}

#[test]
fn the_gpu_gives_the_same_bits_again() {
    let gpu = test_gpu().unwrap();
    for count in [1, REPLICAS] {
        for (name, optimizer) in optimizers() {
            let setup = setup(optimizer, count);
            let [first, second] = [(); 2].map(|()| trained(&setup, on(&gpu)(setup.plan()).as_mut()));
            assert!(first == second, "{name}, R = {count}: the second run differs");
        }
    }
}

/// The order of a subgroup's addition is the driver's, but always the same.
#[test]
fn subgroup_kernels_give_the_same_bits_again() {
    let Some(gpu) = subgroup_gpu() else { return };
    let setup = setup(ANY, REPLICAS);
    let kernels = on(&gpu)(setup.plan()).kernels(ProgramId::Train);
    assert!(kernels.iter().all(|kernel| kernel.variant == SUBGROUP && !kernel.tuned), "{kernels:?}");
    let [first, second] = [(); 2].map(|()| trained(&setup, on(&gpu)(setup.plan()).as_mut()));
    assert!(first == second, "the second run differs");
    for (r, together) in first.iter().enumerate() {
        let single = alone(&setup, r);
        assert!(trained(&single, on(&gpu)(single.plan()).as_mut())[0] == *together, "replica {r} differs");
    }
}

/// Wide enough that every product is cut into tasks: along rows, along units, and into tiles at the end of each.
const WIDE: [usize; 3] = [201, 333, 170];

#[test]
fn the_cpu_gives_the_same_bits_on_any_number_of_threads() {
    for (name, optimizer) in optimizers() {
        let mut setup = setup(optimizer, REPLICAS);
        let [inputs, first, second] = WIDE;
        let hidden = Sequential::new(inputs).dense(first, Activation::Relu).dense(second, Activation::Relu);
        setup.model = hidden.dense(OUTPUTS, Activation::Linear);
        let mut stream = Stream::new(6, Purpose::Inputs, 0);
        setup.features = (0..SAMPLES * inputs).map(|_| stream.symmetric(1.0) + 0.125).collect();
        let results = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| trained(&setup, cpu(setup.plan()).as_mut()))
        });
        assert!(results.iter().all(|result| *result == results[0]), "{name} depends on the number of threads");
    }
}

/// Invariant 7: the device of the tests has WebGPU's default limits and no more, and everything above ran on it.
#[test]
fn default_limits_suffice() {
    let gpu = test_gpu().unwrap();
    assert_eq!(gpu.device.limits(), wgpu::Limits::default());
    // As many replicas as there may be, whose hyper-parameters just fit a uniform binding.
    let mut setup = setup(ANY, 1);
    setup.model = Sequential::new(INPUTS).dense(OUTPUTS, Activation::Linear);
    setup.replicas = replicas(MAX_REPLICAS).into_iter().map(|r| crate::Replica { momentum: 0.5, ..r }).collect();
    setup.orders = vec![setup.orders[0].clone(); MAX_REPLICAS];
    let last = alone(&setup, MAX_REPLICAS - 1);
    let together = trained_last(&setup, on(&gpu)(setup.plan()).as_mut());
    assert!(together == trained_last(&last, on(&gpu)(last.plan()).as_mut()));
}

/// The last replica's weights after two steps.
fn trained_last(setup: &Setup, executor: &mut dyn Executor) -> Vec<f32> {
    setup.fill(executor);
    run(setup, executor, 2);
    let weights = executor.read(executor.plan().tensor_named("layers.0.weight")).unwrap();
    weights[weights.len() - INPUTS * OUTPUTS..].to_vec()
}
