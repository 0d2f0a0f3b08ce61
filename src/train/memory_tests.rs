//! The memory report states exactly what executors hold.

use ndarray::Array2;

use super::{Device, Trainer, TrainerBuilder, epochs};
use crate::data::Dataset;
use crate::error::Error;
use crate::ops::{Activation, Loss};
use crate::plan::{MemoryLimits, MemoryReport};
use crate::random::{Purpose, Stream};
use crate::spec::{Adam, Clip, LossOptions, OptimizerSpec, Replica, Sequential, Sgd};
use crate::tensor::Role;
use crate::verify::test_gpu;

const INPUTS: usize = 21;
const CLASSES: u32 = 5;
const SAMPLES: usize = 101;

fn devices() -> [Device; 2] {
    [Device::cpu(), test_gpu().unwrap_or_else(|error| panic!("{error}")).into()]
}

fn floats() -> Array2<f32> {
    let mut stream = Stream::new(3, Purpose::Inputs, 0);
    Array2::from_shape_simple_fn((SAMPLES, INPUTS), || stream.symmetric(1.0))
}

fn labels() -> Vec<u32> {
    let mut stream = Stream::new(4, Purpose::Inputs, 0);
    (0..SAMPLES).map(|_| stream.word() % CLASSES).collect()
}

fn bytes() -> Dataset {
    let pixels = floats().mapv(|value| (100.0 * value + 120.0) as u8);
    Dataset::from_images("bytes", pixels, labels()).unwrap()
}

fn classes() -> Dataset {
    Dataset::classification(floats().view(), &labels()).unwrap()
}

fn values() -> Dataset {
    let x = floats();
    Dataset::regression(x.view(), x.slice(ndarray::s![.., ..3])).unwrap()
}

fn plain() -> Sequential {
    Sequential::new(INPUTS).dense(33, Activation::Relu).dense(CLASSES as usize, Activation::Linear)
}

fn dressed() -> Sequential {
    let model = Sequential::new(INPUTS).dense(19, Activation::Gelu).batch_norm().dropout(0.3);
    let model = model.dense(19, Activation::Relu).layer_norm().residual(1).dropout(0.1);
    model.dense(CLASSES as usize, Activation::Linear)
}

fn builder(model: Sequential, loss: Loss, optimizer: impl Into<OptimizerSpec>) -> TrainerBuilder {
    Trainer::new(model, loss, optimizer).batch_size(16)
}

fn three(optimizer: impl Into<OptimizerSpec>) -> Vec<Replica> {
    let optimizer = optimizer.into();
    (0..3).map(|seed| Replica::new(seed, &optimizer)).collect()
}

/// Plain and dressed layers, with and without state, replicas, weights, values, clipping; on the device and streamed.
fn runs() -> Vec<(&'static str, TrainerBuilder, Dataset)> {
    let adam = Adam::new(0.01);
    let (cross_entropy, squares) = (Loss::SoftmaxCrossEntropy, Loss::MeanSquaredError);
    let weights = LossOptions { class_weights: vec![1.0, 2.0, 3.0, 1.0, 0.5], ..LossOptions::default() };
    let wide = Sequential::new(INPUTS).dense(130, Activation::Tanh).dense(3, Activation::Linear);
    // Of 2048 units, output gradients are copied.
    let very_wide = Sequential::new(INPUTS).dense(130, Activation::Relu).dense(2048, Activation::Relu);
    let very_wide = very_wide.dense(CLASSES as usize, Activation::Linear);
    let single = Sequential::new(INPUTS).dense(CLASSES as usize, Activation::Linear);
    vec![
        ("plain", builder(plain(), cross_entropy, adam), bytes()),
        ("no state", builder(plain(), cross_entropy, Sgd::new(0.1)), classes()),
        ("very wide", builder(very_wide, cross_entropy, adam), bytes()),
        ("one layer", builder(single, cross_entropy, adam).replicas(three(adam)), bytes()),
        ("values", builder(wide, squares, adam).batch_size(100), values()),
        ("dressed", builder(dressed(), cross_entropy, adam).clip(Clip::Norm(1.0)).noise(0.1), bytes()),
        ("replicas", builder(dressed(), cross_entropy, adam).replicas(three(adam)).loss_options(weights), classes()),
        ("streamed", builder(plain(), cross_entropy, adam).streaming_above(700), bytes()),
        ("frozen", builder(plain(), cross_entropy, adam).freeze(1).max_norm(1.0), bytes()),
    ]
}

#[test]
fn executors_hold_what_the_report_says() {
    for device in devices() {
        for (name, builder, data) in runs() {
            let builder = builder.device(device.clone());
            let report = builder.memory(&data).unwrap();
            report.check().unwrap();
            let mut trainer = builder.build().unwrap();
            assert_eq!(trainer.memory(&data).unwrap().held, report.held, "{name}");
            trainer.fit(&data, epochs(2).validate(&data), &mut ()).unwrap();
            trainer.predict(data.features().clone()).unwrap();
            let executor = &trainer.session.as_ref().unwrap().executor;
            let what = format!("{name} on {}", device.info().adapter);
            assert_eq!(executor.held_bytes(), report.total, "{what}: {report:?}");
            assert_eq!(report.held.total(), report.total);
            assert!(executor.borrowed_bytes() <= report.scratch, "{what}: {} {report:?}", executor.borrowed_bytes());
            let of = |role| executor.plan().tensors.iter().filter(move |tensor| tensor.role == role);
            assert!(report.held.parameters >= of(Role::Parameter).map(|tensor| tensor.bytes()).sum());
            assert_eq!(report.held.statistics > 0, of(Role::Statistics).count() > 0, "{what}");
        }
    }
}

/// wgpu's allocator rounds up, and drivers keep some memory of their own, but nothing of a tensor's size is missing.
#[test]
fn a_gpus_allocator_hands_out_about_that_much() {
    let device = &devices()[1];
    let Some(before) = device.allocated_bytes() else { return };
    let model = Sequential::new(INPUTS).dense(1500, Activation::Relu).dense(1500, Activation::Relu);
    let model = model.dense(CLASSES as usize, Activation::Linear);
    let data = bytes();
    let mut trainer =
        builder(model, Loss::SoftmaxCrossEntropy, Adam::new(1e-3)).device(device.clone()).build().unwrap();
    let report = trainer.memory(&data).unwrap();
    trainer.fit(&data, epochs(1), &mut ()).unwrap();
    let held = device.allocated_bytes().unwrap() - before;
    let most = report.total + report.transfer;
    assert!((report.total..=most + most / 50).contains(&held), "{held} {report:?}");
}

/// Uploads do not pile up in wgpu's own buffers until something is submitted.
#[test]
fn a_large_upload_takes_no_more_than_the_report_says() {
    let device = &devices()[1];
    let pixels = Array2::<u8>::ones((1 << 16, 1 << 10));
    let data = Dataset::from_images("ones", pixels, vec![1; 1 << 16]).unwrap();
    let model = Sequential::new(1 << 10).dense(2, Activation::Linear);
    let builder = builder(model, Loss::SoftmaxCrossEntropy, Sgd::new(0.1)).batch_size(64).device(device.clone());
    let trainer = builder.build().unwrap();
    let report = trainer.memory(&data).unwrap();
    assert!(report.held.dataset > 64 << 20 && report.transfer < 33 << 20, "{report:?}");
    let shape = super::session::Shape::training(&data, trainer.spec(), u64::MAX);
    let mut session = super::session::Session::new(device, trainer.model(), trainer.spec(), shape, None).unwrap();
    let Some(before) = device.allocated_bytes() else { return };
    session.upload_all(&data).unwrap();
    let uploading = device.allocated_bytes().unwrap() - before;
    assert!(uploading <= report.transfer, "{uploading} {report:?}");
}

#[test]
fn what_does_not_fit_is_refused_by_name_with_the_way_out() {
    let wide = Sequential::new(INPUTS).dense(800, Activation::Relu).dense(800, Activation::Relu);
    let wide = wide.dense(CLASSES as usize, Activation::Linear);
    let report = builder(wide, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).memory(&bytes()).unwrap();
    let under = |limits: MemoryLimits| MemoryReport { limits, ..report.clone() };
    let largest = report.largest.bytes;
    assert_eq!(report.largest.name, "layers.1.weight.state");
    under(MemoryLimits {
        max_storage_binding: Some(largest),
        max_buffer: Some(largest),
        available: Some(report.peak()),
    })
    .check()
    .unwrap();
    let refused = |limits: MemoryLimits, words: &[&str]| {
        let error = under(limits).check().expect_err("does not fit");
        assert!(matches!(error, Error::Limit { .. }) && error.is_usage());
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let narrower = "narrower layers or fewer replicas";
    let name = "layers.1.weight.state [1, 2, 800, 800]";
    let binding = MemoryLimits { max_storage_binding: Some(largest - 1), ..MemoryLimits::default() };
    refused(binding, &[name, "max_storage_buffer_binding_size", "narrower layers", "the CPU"]);
    refused(MemoryLimits { max_buffer: Some(1), ..MemoryLimits::default() }, &[name, "max_buffer_size", "the CPU"]);
    let free = MemoryLimits { available: Some(report.peak() - 1), ..MemoryLimits::default() };
    refused(free, &[name, "the machine's free memory", &report.peak().to_string(), narrower]);
    let kept = report.clone().with_checkpoints();
    assert!(kept.peak() > report.peak() && kept.total == report.total);
}

/// Already when it is built: no weights are drawn.
#[test]
fn a_run_that_does_not_fit_ends_before_its_first_step() {
    let pixels = Array2::<u8>::zeros((4, INPUTS));
    let data = Dataset::from_images("four", pixels, vec![0, 1, 2, 3]).unwrap();
    let model = Sequential::new(INPUTS).dense(1 << 22, Activation::Relu).dense(1 << 22, Activation::Relu);
    let model = model.dense(CLASSES as usize, Activation::Linear);
    for device in devices() {
        let builder = builder(model.clone(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(4).device(device);
        let told = builder.memory(&data).unwrap().check().expect_err("64 TiB").to_string();
        assert!(told.contains("layers.1.weight.state [1, 2, 4194304, 4194304]"), "{told}");
        let refused = builder.build().err().expect("64 TiB").to_string();
        assert!(refused.contains("layers.1.weight.state [1, 2, 4194304, 4194304]"), "{refused}");
    }
}

/// Nor do a later fit's bits depend on an evaluation before it.
#[test]
fn evaluation_alone_holds_no_training_state() {
    let trained = |role| matches!(role, Role::OptimizerState | Role::Gradient);
    for device in devices() {
        let build = || builder(dressed(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).device(device.clone());
        let (mut trainer, mut other) = (build().build().unwrap(), build().build().unwrap());
        trainer.evaluate(&classes()).unwrap();
        let plan = trainer.session.as_ref().unwrap().executor.plan();
        assert!(!plan.trains() && plan.tensors.iter().all(|tensor| !trained(tensor.role)), "{plan}");
        trainer.fit(&classes(), epochs(2), &mut ()).unwrap();
        let after = trainer.evaluate(&classes()).unwrap().loss;
        let plan = trainer.session.as_ref().unwrap().executor.plan();
        assert!(plan.trains() && plan.tensors.iter().any(|tensor| trained(tensor.role)));
        other.fit(&classes(), epochs(2), &mut ()).unwrap();
        assert_eq!(trainer.weights(0).unwrap(), other.weights(0).unwrap());
        // From its file it is evaluated without training state too.
        let mut again = Trainer::from_file(trainer.to_file(0).unwrap(), device.clone()).unwrap();
        assert_eq!(again.evaluate(&classes()).unwrap().loss, after);
    }
}
