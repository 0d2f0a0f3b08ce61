//! No step of any plan binds a tensor twice where one of the bindings is writable: WebGPU forbids it.

use std::collections::BTreeMap;

use crate::gpu::bound;
use crate::gpu::reflect::Reflection;
use crate::lower::{Capacity, PlanRequest, ranking};
use crate::ops::optimizer::Optimizer;
use crate::ops::{Activation, InputKind, Loss, MannWhitney, MergeKeys, Op, Operation, TargetKind};
use crate::plan::{Assembly, Plan, ProgramId};
use crate::spec::{Augment, Clip, Norm, OptimizerSpec, Precision, Replica, Sequential, TrainSpec};
use crate::tensor::{Element, Role};
use crate::verify::cases::suites;
use crate::verify::network::networks;

const CAPACITY: Capacity = Capacity { batch: 12, samples: 30, order: 30 };

/// Checks plans, and keeps what it has seen.
#[derive(Default)]
struct Checked {
    reflections: BTreeMap<&'static str, Reflection>,
    /// Steps by kernel family: all, and those that lack a tensor.
    steps: BTreeMap<&'static str, [usize; 2]>,
    wrong: BTreeMap<String, String>,
}

impl Checked {
    fn check(&mut self, name: &str, plan: &Plan) {
        for step in plan.programs.values().flat_map(|program| &program.steps) {
            let shader = step.op.shader();
            let reflection = self
                .reflections
                .entry(shader.stem)
                .or_insert_with(|| Reflection::of(shader).expect("is WGSL, by test"));
            if let Err(error) = bound(plan, step, reflection) {
                self.wrong.entry(error.to_string()).or_insert_with(|| name.to_owned());
            }
            let steps = self.steps.entry(shader.stem).or_default();
            steps[0] += 1;
            steps[1] += usize::from(step.op.arguments().iter().any(|(_, tensor)| tensor.is_none()));
        }
    }
}

/// What decides which steps a network has and which of their tensors.
#[derive(Clone, Copy, Debug)]
struct Parts {
    norm: Option<Norm>,
    residual: bool,
    dropout: bool,
    clip: Option<Clip>,
    keep_gradients: bool,
    precision: Precision,
}

fn all_parts() -> Vec<Parts> {
    let batch = Norm::Batch { momentum: 0.1, epsilon: 1e-5 };
    let norms = [None, Some(batch), Some(Norm::Layer { epsilon: 1e-5 })];
    let mut all = Vec::new();
    for norm in norms {
        for clip in [None, Some(Clip::Value(1.0)), Some(Clip::Norm(1.0))] {
            for flags in 0..16 {
                let flag = |bit: u32| flags & (1 << bit) != 0;
                let precision = if flag(3) { Precision::F16 } else { Precision::F32 };
                let (residual, dropout, keep_gradients) = (flag(0), flag(1), flag(2));
                all.push(Parts { norm, residual, dropout, clip, keep_gradients, precision });
            }
        }
    }
    all
}

impl Parts {
    fn model(&self, activation: Activation, outputs: usize, output: Activation) -> Sequential {
        let layer = |model: Sequential, back: Option<usize>| {
            let mut model = model.dense(16, activation);
            if let Some(norm) = self.norm {
                model = model.norm(norm);
            }
            if let Some(back) = back.filter(|_| self.residual) {
                model = model.residual(back);
            }
            if self.dropout { model.dropout(0.2) } else { model }
        };
        let model = layer(layer(layer(Sequential::new(16), None), Some(1)), Some(2));
        layer(model, Some(2)).dense(outputs, output)
    }

    /// The plans of a network with this optimizer, for training and for prediction; `n` chooses what is independent of these parts.
    fn plans(&self, n: usize, preset: &OptimizerSpec) -> [Plan; 2] {
        let loss = Loss::ALL[n % Loss::ALL.len()];
        let targets = [TargetKind::Classes, TargetKind::Values][n / 2 % 2];
        // With its loss in one step, and too many for that.
        let outputs = [10, 2, 70][n % 3];
        let hidden = [Activation::Relu, Activation::Gelu][n / 3 % 2];
        let model = self.model(hidden, outputs, loss.trained_activation(Activation::Tanh));
        let spec = TrainSpec {
            clip: self.clip,
            precision: self.precision,
            noise: if n.is_multiple_of(5) { 0.1 } else { 0.0 },
            augment: n.is_multiple_of(7).then(|| Augment::new(4, 4).shift(1.0)),
            max_norm: n.is_multiple_of(4).then_some(2.0),
            frozen: n % 3,
            ..TrainSpec::new(loss, preset.optimizer, CAPACITY.batch, vec![Replica::new(0, preset)])
        };
        let request = PlanRequest {
            model: &model,
            spec: &spec,
            samples: [InputKind::SamplesU8, InputKind::SamplesF32][n % 2],
            targets,
            weighted: n.is_multiple_of(3),
            train: CAPACITY,
            evaluate: CAPACITY,
            keep_gradients: self.keep_gradients,
        };
        [request.plan(), request.inference()]
            .map(|plan| plan.unwrap_or_else(|error| panic!("{self:?} with {loss} is no network: {error}")))
    }
}

fn all_plans() -> Checked {
    let mut checked = Checked::default();
    for (number, (name, preset)) in Optimizer::presets().iter().enumerate() {
        for (n, parts) in all_parts().into_iter().enumerate() {
            parts.plans(number + n, preset).iter().for_each(|plan| checked.check(&format!("{name} {parts:?}"), plan));
        }
    }
    for precision in [Precision::F32, Precision::F16] {
        for suite in suites(0, false, precision).unwrap() {
            checked.check(&format!("the cases of {}, {}", suite.kernel, suite.what), &suite.plan);
        }
        for network in networks(0, precision).unwrap() {
            checked.check(&network.name, &network.plan);
        }
    }
    checked.check("ranking", &ranking(2, 100));
    checked
}

#[test]
fn no_step_binds_a_tensor_twice_that_it_may_write() {
    let Checked { wrong, steps, .. } = all_plans();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // All kernels were there, and those that can lack a tensor both with and without it.
    assert_eq!(steps.len(), crate::ops::shaders().len());
    let both = steps.into_iter().filter(|(_, [all, lacking])| *lacking > 0 && lacking < all).map(|(stem, _)| stem);
    let both: Vec<_> = both.collect();
    let wanted = [
        "batch_norm_backward",
        "batch_norm_forward",
        "dense_forward",
        "dense_loss",
        "dense_weight_gradient",
        "gradient_norm",
        "layer_norm_backward",
        "layer_norm_forward",
        "layer_norm_gradient",
        "loss_step",
        "tail_backward",
        "tail_forward",
        "update",
    ];
    assert_eq!(both, wanted);
}

#[test]
fn a_step_that_binds_twice_what_it_may_write_is_refused_by_name() {
    let mut assembly = Assembly::default();
    let mut tensor = |name: &str| assembly.tensor(name.to_owned(), &[1, 8], Element::U32, Role::Activation);
    let [one, two, classes, counts] = ["one", "two", "classes", "counts"].map(&mut tensor);
    let merge = |keys, merged| Op::MergeKeys(MergeKeys { samples: 8, run: 1, keys, merged });
    let count = |keys, counts| Op::MannWhitney(MannWhitney { samples: 8, scores: one, classes, keys, counts });
    // A tensor may be read twice.
    for (label, op) in [
        ("apart", merge(one, two)),
        ("merge", merge(one, one)),
        ("read twice", count(one, counts)),
        ("count", count(two, classes)),
    ] {
        assembly.step(label.to_owned(), op);
    }
    let plan = assembly.plan(ProgramId::Steps, 1, None, 1);
    let refused = plan.program(ProgramId::Steps).steps.iter().filter_map(|step| {
        let reflection = Reflection::of(step.op.shader()).unwrap();
        bound(&plan, step, &reflection).err().map(|error| error.to_string())
    });
    let wanted = [
        "GPU failure: merge (merge_keys.wgsl) binds tensor one twice, as keys and as merged, and may write it",
        "GPU failure: count (mann_whitney.wgsl) binds tensor classes twice, as classes and as counts, and may write it",
    ];
    assert_eq!(refused.collect::<Vec<_>>(), wanted);
}
