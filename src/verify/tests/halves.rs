//! Plans whose hidden layers store f16: their kernels, their gradients, their bits, and what training comes to.

use super::broken::broken;
use super::determinism::{self, alone, check_replicas, cpu, on, trained};
use super::gradients::{self, executor, wrong_gradients};
use super::training::{Setup, run};
use crate::cpu::CpuExecutor;
use crate::error::Error;
use crate::executor::Executor;
use crate::gpu::reflect::Reflection;
use crate::gpu::{Gpu, GpuExecutor, GpuOptions, GpuRequest};
use crate::ops::optimizer::{GRADIENT_BITS, Optimizer};
use crate::ops::{Activation, Loss, Operation, SUBGROUP, Shader, TargetKind};
use crate::plan::{Plan, ProgramId};
use crate::precision::Precision;
use crate::scalar::binary16::rounded;
use crate::spec::{OptimizerSpec, Sequential};
use crate::tensor::TensorData;
use crate::tensor::{Element, Role};
use crate::verify::cases::suites;
use crate::verify::kernels::Answered;
use crate::verify::{VerifyOptions, test_gpu, verify};

/// The tests' adapter with f16; without it must refuse, by name and with the way out, and then there is nothing to test.
pub(crate) fn half_gpu(subgroups: bool) -> Option<Gpu> {
    let info = test_gpu().unwrap().info();
    let request = GpuRequest::Named(std::env::var("WGRAD_TEST_ADAPTER").unwrap_or_else(|_| "0".to_owned()));
    match Gpu::request_blocking(&GpuOptions { request, default_limits: true, subgroups, f16: true }) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            let text = error.to_string();
            assert!(matches!(error, Error::Feature { .. }) || subgroups, "{text}");
            assert!(text.contains(&info.adapter), "{text}");
            assert!(subgroups || text.contains("SHADER_F16") && text.contains("precision f32"), "{text}");
            None
        }
    }
}

fn optimizer(name: &str) -> Optimizer {
    OptimizerSpec::named(name).unwrap().optimizer
}

/// Plain layers of odd widths, and one of each kind of tail.
fn setup(count: usize) -> Setup {
    let mut setup = determinism::setup(optimizer("adam"), count);
    let dense = |model: Sequential| model.dense(83, Activation::Relu);
    let model = dense(dense(Sequential::new(setup.model.inputs)).dense(31, Activation::Tanh)).batch_norm();
    let model = dense(dense(model).layer_norm().residual(1)).residual(2).dropout(0.2);
    setup.model = model.dense(10, Activation::Linear);
    setup.precision = Precision::F16;
    setup
}

#[test]
fn what_layers_hand_on_is_f16_and_all_else_is_not() {
    let plan = setup(1).plan();
    let halves: Vec<_> = plan.tensors.iter().filter(|t| t.element == Element::F16).map(|t| t.name.as_str()).collect();
    let named = |what: &str| halves.iter().filter(|name| name.ends_with(what)).count();
    // Outputs of five hidden layers in two programs; six layers' gradients, and that of the loss that evaluation measures;
    // an output that later layers add.
    assert_eq!([named(".output"), named(".gradient"), named(".skipped")], [10, 7, 1], "{halves:?}");
    assert_eq!(halves.len(), 18, "{halves:?}");
    assert!(plan.tensors.iter().all(|t| t.element != Element::F16 || t.role == Role::Activation));
    let whole = Setup { precision: Precision::F32, ..setup(1) }.plan();
    assert!(whole.tensors.iter().all(|tensor| tensor.element != Element::F16));
    let last = plan.tensor_named("evaluate.layers.5.output");
    assert_eq!(plan.tensor(last).element, Element::F32, "what losses are made of");
    let saved: u64 = plan.tensors.iter().filter(|t| t.element == Element::F16).map(|tensor| tensor.bytes()).sum();
    assert_eq!(whole.bytes() - plan.bytes(), saved, "half of what they took");
    let steps =
        |plan: &Plan| plan.program(ProgramId::Train).steps.iter().map(|step| step.label.clone()).collect::<Vec<_>>();
    assert_eq!(steps(&plan), steps(&whole));
}

#[test]
fn kernels_and_networks_that_store_f16_keep_to_the_bounds() {
    let Some(gpu) = half_gpu(false) else { return };
    let options = VerifyOptions { seed: 3, quick: true, precision: Precision::F16, ..Default::default() };
    let mut failed = Vec::new();
    let summary = verify(&gpu, &options, &mut |row| {
        if !row.passed() {
            failed.push(row.clone());
        }
    });
    assert!(summary.unwrap().passed(), "{failed:#?}");
}

#[test]
fn subgroup_kernels_read_and_store_f16_too() {
    let Some(gpu) = half_gpu(true) else { return };
    let mut checked = 0;
    for suite in suites(4, true, Precision::F16).unwrap() {
        if suite.plan.replicas == 1 || suite.plan.program(ProgramId::Steps).steps[0].op.subgroup().is_none() {
            continue;
        }
        let row = Answered::new(suite).unwrap().check(&gpu, SUBGROUP).unwrap();
        assert!(row.passed() && row.cases > 0, "{row:?}");
        checked += 1;
    }
    assert!(checked > 3, "{checked}");
}

/// Kernel, the file at fault if it is not the kernel's own, what stands there, what a mistake would make of it.
const MUTATIONS: &[(&str, &str, &str, &str)] = &[
    ("dense_forward", "f16/read", "index % 2u == 1u", "index % 2u == 0u"),
    ("dense_weight_gradient", "f16/read", "input_word(word + 1u)", "input_word(word)"),
    ("dense_loss", "f16/read", "input_word(index / 2u)", "input_word(index)"),
    ("dense_forward", "", "Stored(activate(sum", "Stored(1.003 * activate(sum"),
    ("dense_input_gradient", "", "f32(input[at])", "f32(input[at + 1u])"),
    (
        "dense_input_gradient",
        "",
        "vec4<f32>(output_gradient[(start + o) / 4u])",
        "vec4<f32>(output_gradient[(start + o) / 4u]).xyzz",
    ),
    ("dense_weight_gradient", "", "sum * gradient_unscale(iteration.hypers[r].loss_scale)", "sum"),
    ("dense_weight_gradient", "f16/stored", "scale_exponent(loss_scale) - GRADIENT_BITS", "scale_exponent(loss_scale)"),
    ("dense_loss", "f16/stored", "254u + GRADIENT_BITS", "255u + GRADIENT_BITS"),
    ("loss_step", "", " * gradient_scale(iteration.hypers[r].loss_scale)", ""),
    ("loss_step", "", "Stored(value)", "Stored(1.003 * value)"),
    ("batch_norm_backward", "", "totals.y * unscale", "totals.y"),
    ("layer_norm_gradient", "", "totals.x * unscale", "totals.x"),
    ("tail_backward", "", "Stored(all.y)", "Stored(g.y)"),
    ("layer_norm_backward", "", "f32(skipped[at.z])", "f32(skipped[at.y])"),
    ("tail_forward", "", "Stored(y.w)", "Stored(y.z)"),
    ("layer_norm_forward", "", "f32(residual[at.y])", "f32(residual[at.x])"),
    ("batch_norm_forward", "", "Stored(y.x)", "Stored(-y.x)"),
];

#[test]
fn broken_kernels_with_f16_fail() {
    let Some(gpu) = half_gpu(false) else { return };
    let several = suites(2, true, Precision::F16).unwrap().into_iter().filter(|suite| suite.plan.replicas > 1);
    let suites: Vec<_> = several.map(|suite| Answered::new(suite).unwrap()).collect();
    let mut wrong = Vec::new();
    for (stem, file, from, to) in MUTATIONS {
        let gpu = match Shader::half_parts().into_iter().find(|part| part.stem == *file) {
            Some(part) => {
                assert_eq!(part.source.matches(from).count(), 1, "{file}: `{from}` must be there just once");
                let source = part.source.replace(from, to).leak();
                Gpu { replaced: vec![Box::leak(Box::new(Shader { stem: part.stem, source }))], ..gpu.clone() }
            }
            None => broken(&gpu, stem, from, to),
        };
        let mut own = suites.iter().filter(|answered| answered.suite.kernel == *stem);
        let fails = |answered: &Answered| {
            // The first to tell is enough; some have no use for what is broken.
            answered.variants(&gpu).any(|variant| !answered.check(&gpu, variant).unwrap().passed())
        };
        if !own.any(fails) {
            wrong.push(format!("{stem} passes with `{to}` for `{from}`"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// f64 rounds nothing: what is checked is that the steps of the plan fit together.
#[test]
fn gradients_are_right_where_layers_store_f16() {
    let base =
        gradients::setup(Loss::SoftmaxCrossEntropy, TargetKind::Classes, Activation::Tanh, Activation::Linear, 3, 1);
    let plain = Setup { precision: Precision::F16, ..base.clone() };
    let tails = Sequential::new(5).dense(4, Activation::Tanh).layer_norm().dense(4, Activation::Gelu).residual(1);
    let tailed = Setup { model: tails.dense(3, Activation::Linear), precision: Precision::F16, ..base };
    for (name, setup) in [("plain", plain), ("tails", tailed)] {
        assert_eq!(wrong_gradients(name, &setup, &mut executor(&setup), 1e-8), Vec::<String>::new());
    }
}

#[test]
fn replicas_that_store_f16_are_models_trained_alone() {
    check_replicas("cpu, f16", &setup(3), &cpu);
    let Some(gpu) = half_gpu(false) else { return };
    check_replicas("gpu, f16", &setup(3), &on(&gpu));
    let again = [(); 2].map(|()| trained(&setup(3), on(&gpu)(setup(3).plan()).as_mut()));
    assert!(again[0] == again[1], "the second run differs");
}

#[test]
fn any_number_of_threads_stores_the_same_f16() {
    let results = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&setup(2), cpu(setup(2).plan()).as_mut()))
    });
    assert!(results.iter().all(|result| *result == results[0]));
    let whole = Setup { precision: Precision::F32, ..setup(2) };
    assert!(results[0] != trained(&whole, cpu(whole.plan()).as_mut()), "rounding changes something");
}

/// Every number of a tensor that is stored as f16 is one, on both devices; what is written is rounded.
#[test]
fn tensors_hold_f16() {
    let setup = setup(1);
    let mut executors = vec![cpu(setup.plan())];
    executors.extend(half_gpu(false).map(|gpu| on(&gpu)(setup.plan())));
    for executor in &mut executors {
        setup.fill(executor.as_mut());
        run(&setup, executor.as_mut(), 3);
        let plan = executor.plan().clone();
        let train = plan.ids().filter(|id| plan.tensor(*id).name.starts_with("train"));
        for id in train.filter(|id| plan.tensor(*id).element == Element::F16) {
            let values = executor.read(id).unwrap();
            assert_eq!(values.len(), plan.tensor(id).len());
            assert!(values.iter().any(|value| *value != 0.0) && values.iter().all(|value| rounded(*value) == *value));
            let odd: Vec<f32> = (0..values.len()).map(|n| n as f32 / 3.0).collect();
            executor.write(id, 0, TensorData::F32(&odd)).unwrap();
            let wanted: Vec<_> = odd.iter().map(|value| rounded(*value)).collect();
            assert_eq!(executor.read(id).unwrap(), wanted);
            assert!(executor.write(id, 1, TensorData::F32(&odd[..2])).is_err(), "half a word");
        }
    }
}

/// Each class is bright where no other is; plain layers, or those with tails.
fn learnable(model: Sequential, precision: Precision) -> Setup {
    let base = alone(&setup(2), 1);
    let inputs = base.model.inputs;
    let bright = |at: usize| if at % inputs / 3 == base.labels[at / inputs] as usize { 1.5 } else { 0.0 };
    let features = base.features.iter().enumerate().map(|(at, noise)| noise + bright(at)).collect();
    Setup { model, features, precision, ..base }
}

/// Training comes to nearly the same as with f32, on both devices.
#[test]
fn training_reaches_the_loss_of_f32() {
    let model = || Sequential::new(37).dense(83, Activation::Relu).dense(31, Activation::Tanh);
    let losses = |precision: Precision, make: &dyn Fn(Plan) -> Box<dyn Executor>| {
        let setup = learnable(model().dense(10, Activation::Linear), precision);
        let mut executor = make(setup.plan());
        setup.fill(executor.as_mut());
        run(&setup, executor.as_mut(), 90)
    };
    let wanted = losses(Precision::F32, &cpu);
    let mut all = vec![losses(Precision::F16, &cpu)];
    all.extend(half_gpu(false).map(|gpu| losses(Precision::F16, &on(&gpu))));
    for had in all {
        let (first, last) = (had[0], had[had.len() - 1]);
        assert!(last < 0.25 * first, "{had:?}");
        // What layers hand on is 5e-4 off at most; ninety steps of a high learning rate make of it what they make.
        let off = had.iter().zip(&wanted).map(|(had, wanted)| (had - wanted).abs() / wanted).fold(0.0, f32::max);
        assert!(off > 0.0 && off < 0.03, "{off}: {had:?}, f32 {wanted:?}");
    }
}

#[test]
fn a_device_that_is_not_open_for_f16_refuses_the_plan() {
    let gpu = test_gpu().unwrap();
    let error = GpuExecutor::new(gpu.clone(), setup(1).plan()).err().unwrap().to_string();
    assert!(error.contains(&gpu.info().adapter) && error.contains("GpuOptions { f16: true"), "{error}");
    let kernels = CpuExecutor::<f32>::new(setup(1).plan()).unwrap().kernels(ProgramId::Train);
    assert!(kernels.is_empty());
}

/// What Rust computes of a batch's scale, WGSL does from the same constants.
#[test]
fn gradients_are_scaled_by_as_much_as_rust_says() {
    let [_, stored] = Shader::half_parts();
    assert_eq!(Reflection::of(stored).unwrap().constant("GRADIENT_BITS"), Some(GRADIENT_BITS));
}
