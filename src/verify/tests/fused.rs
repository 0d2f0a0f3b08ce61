//! The last layer in one step with its loss against the two steps by themselves, on the CPU: evaluation has these.

use super::training::Setup;
use crate::cpu::CpuExecutor;
use crate::executor::Executor;
use crate::ops::{Activation, Head, InputKind, Loss, TargetKind};
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::random::{Purpose, Stream, epoch_order};
use crate::spec::{LossOptions, Sequential};
use crate::tensor::Iteration;
use crate::verify::cases::ANY;
use crate::verify::suite::replicas;

const INPUTS: usize = 23;
/// Several tasks, the last of them short, and blocks of metrics that rows do not fill.
const BATCH: usize = 77;
const SAMPLES: usize = 150;
const REPLICAS: usize = 3;

fn setup(loss: Loss, targets: TargetKind, hidden: Option<usize>, outputs: usize) -> Setup {
    let mut stream = Stream::new(5, Purpose::Inputs, 0);
    let model = hidden.iter().fold(Sequential::new(INPUTS), |model, units| model.dense(*units, Activation::Relu));
    let classes = outputs.max(2) as u32;
    let output = loss.trained_activation(Activation::Tanh);
    Setup {
        model: model.dense(outputs, output),
        loss,
        optimizer: ANY,
        replicas: replicas(REPLICAS),
        batch: BATCH,
        samples: InputKind::SamplesF32,
        targets,
        features: (0..SAMPLES * INPUTS).map(|_| stream.symmetric(1.0) + 0.125).collect(),
        labels: (0..SAMPLES).map(|_| stream.word() % classes).collect(),
        values: (0..SAMPLES * outputs).map(|_| stream.unit()).collect(),
        orders: (0..REPLICAS as u64).map(|seed| epoch_order(seed, 0, SAMPLES, true)).collect(),
        keep_gradients: false,
        loss_options: LossOptions::default(),
        precision: Precision::F32,
        weights: Vec::new(),
    }
}

/// The gradient's bits, and each replica's loss sum and right answers, of one iteration of a program.
fn answers(executor: &mut CpuExecutor<f32>, id: ProgramId, name: &str) -> (Vec<u32>, Vec<[f64; 2]>) {
    executor.submit(id, &[Iteration { rows: BATCH as u32 - 4, first: 50, slot: 0, number: 1 }]).unwrap();
    let metrics = executor.metrics(true).unwrap().iter().map(|metrics| [metrics.loss_sum, metrics.right]).collect();
    let plan = executor.plan();
    let gradient = plan.ids().find(|id| plan.tensor(*id).name == name).unwrap();
    (executor.numbers(gradient).iter().map(|value| value.to_bits()).collect(), metrics)
}

#[test]
fn a_layer_with_its_loss_gives_the_bits_of_the_two_steps() {
    for loss in Loss::ALL {
        // Of a single output the cross-entropy is zero.
        let targets = &[TargetKind::Classes, TargetKind::Values];
        let least = if loss.head() == Head::Softmax { 2 } else { 1 };
        let networks = [(None, 10), (Some(17), least), (Some(9), 64)];
        for (target, (hidden, outputs)) in targets.iter().flat_map(|target| networks.map(|own| (*target, own))) {
            let setup = setup(*loss, target, hidden, outputs);
            let mut executor = CpuExecutor::<f32>::new(setup.plan()).unwrap();
            setup.fill(&mut executor);
            let last = setup.model.layers.len() - 1;
            // Evaluation goes first: training changes the weights.
            let apart = answers(&mut executor, ProgramId::Evaluate, &format!("evaluate.layers.{last}.gradient"));
            let fused = answers(&mut executor, ProgramId::Train, &format!("train.layers.{last}.gradient"));
            let name = format!("{loss} {target:?} O={outputs}");
            assert!(apart.0 == fused.0 && apart.0.iter().any(|bits| *bits != 0), "{name}: other gradients");
            for ([loss_sum, right], [fused_sum, fused_right]) in apart.1.into_iter().zip(fused.1) {
                // Blocks of other sizes: as many roundings as rows at most.
                let bound = BATCH as f64 * f64::from(f32::EPSILON) * loss_sum.abs();
                assert!((loss_sum - fused_sum).abs() <= bound, "{name}: {loss_sum} {fused_sum}");
                assert_eq!(right, fused_right, "{name}");
            }
        }
    }
}
