//! Training with noise on its inputs and images moved and bent, as a whole.

use super::training::{Setup, run};
use crate::cpu::CpuExecutor;
use crate::executor::Executor;
use crate::gpu::GpuExecutor;
use crate::ops::{Activation, InputKind, Loss, TargetKind};
use crate::plan::{Plan, ProgramId};
use crate::precision::Precision;
use crate::random::{Purpose, Stream};
use crate::spec::{Augment, LossOptions, Sequential};
use crate::verify::cases::ANY;
use crate::verify::suite::replicas;
use crate::verify::test_gpu;

const SIDE: usize = 6;
const SAMPLES: usize = 13;
const STEPS: u32 = 9;
const NOISE: f32 = 0.1;

fn augment() -> Augment {
    Augment::new(SIDE, SIDE).shift(1.0).rotate(20.0).scale(0.1).elastic(1.0)
}

/// So many replicas; or the one of this number among them, alone.
fn setup(count: usize, alone: Option<usize>) -> Setup {
    let mut stream = Stream::new(4, Purpose::Inputs, 0);
    let mut replicas = replicas(count);
    let mut orders: Vec<Vec<u32>> =
        (0..count as u32).map(|r| (0..SAMPLES as u32).map(|n| (n * 5 + r) % 13).collect()).collect();
    if let Some(r) = alone {
        (replicas, orders) = (vec![replicas[r]], vec![orders.swap_remove(r)]);
    }
    Setup {
        model: Sequential::new(SIDE * SIDE).dense(8, Activation::Tanh).dense(3, Activation::Linear),
        loss: Loss::SoftmaxCrossEntropy,
        loss_options: LossOptions::default(),
        precision: Precision::F32,
        optimizer: ANY,
        replicas,
        batch: 5,
        samples: InputKind::SamplesF32,
        targets: TargetKind::Classes,
        features: (0..SAMPLES * SIDE * SIDE).map(|_| stream.unit()).collect(),
        labels: (0..SAMPLES).map(|_| stream.word() % 3).collect(),
        values: Vec::new(),
        weights: Vec::new(),
        orders,
        keep_gradients: false,
    }
}

/// Losses of each step and replica, and the first layer's weights.
fn trained<E: Executor>(setup: &Setup, make: &impl Fn(Plan) -> E) -> (Vec<f32>, Vec<f32>) {
    let mut executor = make(setup.plan_with(NOISE, Some(augment())));
    setup.fill(&mut executor);
    let losses = run(setup, &mut executor, STEPS);
    let weight = executor.plan().tensor_named("layers.0.weight");
    (losses, executor.read(weight).unwrap())
}

fn check<E: Executor>(make: impl Fn(Plan) -> E) {
    let together = setup(3, None);
    let (losses, weights) = trained(&together, &make);
    assert_eq!((losses.clone(), weights.clone()), trained(&together, &make), "a second run gives other bits");
    for r in 0..3 {
        let (own_losses, own_weights) = trained(&setup(3, Some(r)), &make);
        let wanted: Vec<_> = losses.iter().skip(r).step_by(3).copied().collect();
        assert_eq!(own_losses, wanted, "losses of replica {r} alone");
        assert_eq!(own_weights, weights[r * own_weights.len()..][..own_weights.len()], "weights of replica {r} alone");
    }
}

#[test]
fn replicas_draw_what_they_draw_alone_on_the_cpu() {
    check(|plan| CpuExecutor::<f32>::new(plan).unwrap());
}

#[test]
fn replicas_draw_what_they_draw_alone_on_the_gpu() {
    let gpu = test_gpu().unwrap();
    check(|plan| GpuExecutor::new(gpu.clone(), plan).unwrap());
}

/// Training's first step prepares; evaluation and prediction have no such step. Each step draws anew.
#[test]
fn only_training_prepares_its_inputs() {
    let setup = setup(2, None);
    let plan = setup.plan_with(NOISE, None);
    let steps = |id: ProgramId| plan.program(id).steps.iter().map(|step| step.operation()).collect::<Vec<_>>();
    assert_eq!(steps(ProgramId::Train)[0], "prepare_input");
    for id in [ProgramId::Evaluate, ProgramId::Predict] {
        assert!(!steps(id).contains(&"prepare_input"), "{id:?}");
    }
    assert!(setup.plan().program(ProgramId::Train).steps.iter().all(|step| step.operation() != "prepare_input"));
    let prepared = plan.ids().find(|id| plan.tensor(*id).name == "train.input").unwrap();
    let mut executor = CpuExecutor::<f32>::new(plan).unwrap();
    setup.fill(&mut executor);
    let mut batch = |number: u32| {
        let iteration = crate::tensor::Iteration { number, ..setup.iteration(0) };
        executor.submit_step(ProgramId::Train, 0, iteration).unwrap();
        executor.read(prepared).unwrap()
    };
    let first = batch(1);
    assert_ne!(first, batch(2));
    assert_eq!(first, batch(1));
    let clean: Vec<f32> = setup
        .orders
        .iter()
        .flat_map(|order| &order[..5])
        .flat_map(|n| &setup.features[*n as usize * 36..][..36])
        .copied()
        .collect();
    let noise: Vec<f64> = first.iter().zip(&clean).map(|(had, clean)| f64::from(had - clean)).collect();
    let deviation = (noise.iter().map(|x| x * x).sum::<f64>() / noise.len() as f64).sqrt();
    // 360 draws: four standard errors are 15 %.
    assert!((deviation / f64::from(NOISE) - 1.0).abs() < 0.15, "deviation {deviation}");
}
