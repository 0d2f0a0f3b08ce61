//! Kernels, steps and epochs on the CPU and on the first GPU adapter: `cargo bench`.
//!
//! The samples are made up: speed does not depend on what they show. Times are for one thread of the host; the device
//! and the number of samples are in each benchmark's name and output.

use divan::Bencher;
use divan::counter::ItemsCount;
use ndarray::Array2;
use wgrad::cpu::CpuExecutor;
use wgrad::executor::Executor;
use wgrad::gpu::{GpuExecutor, adapters_blocking};
use wgrad::plan::{Plan, ProgramId};
use wgrad::random::{Purpose, Stream};
use wgrad::tensor::Iteration;
use wgrad::{
    Activation, Adam, Dataset, Device, Gpu, GpuOptions, GpuRequest, Loss, Replica, Sequential, Trainer, epochs,
};

const BATCH: usize = 64;
/// Samples of an epoch on the CPU, and on a GPU, which here may be a software one.
const EPOCH: [usize; 2] = [8192, 1024];
/// Steps of the training plan of two dense layers, by their labels.
const KERNELS: [&str; 6] =
    ["layers.0 forward", "layers.1 forward", "loss", "layers.1 input gradient", "layers.1 update", "layers.0 update"];

fn main() {
    println!("cpu: {:?}", Device::cpu().info());
    match adapters_blocking().first() {
        Some(adapter) => println!("gpu: {} ({}, {})", adapter.name, adapter.backend, adapter.driver),
        None => println!("gpu: none found, its benchmarks are left out"),
    }
    divan::main();
}

fn gpu() -> Option<Gpu> {
    if adapters_blocking().is_empty() {
        return None;
    }
    let options = GpuOptions { request: GpuRequest::Named("0".to_owned()), ..GpuOptions::default() };
    Gpu::request_blocking(&options).ok()
}

fn samples(count: usize) -> Dataset {
    let mut stream = Stream::new(1, Purpose::Inputs, 0);
    let pixels = Array2::from_shape_simple_fn((count, 784), || stream.word() as u8);
    let labels = (0..count).map(|_| stream.word() % 10).collect();
    Dataset::from_images("made up", pixels, labels).expect("counts match")
}

fn trainer(device: Device, replicas: usize) -> Trainer {
    let model = Sequential::new(784).dense(128, Activation::Relu).dense(10, Activation::Linear);
    let builder = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(1e-3)).batch_size(BATCH).device(device);
    let replicas = (0..replicas as u64).map(|seed| Replica::new(seed, &Adam::new(1e-3).into())).collect();
    builder.replicas(replicas).build().expect("a sound spec")
}

fn plan() -> Plan {
    trainer(Device::cpu(), 1).plan(&samples(EPOCH[1])).expect("a sound plan")
}

fn iteration() -> Iteration {
    Iteration { rows: BATCH as u32, first: 0, slot: 0, number: 1 }
}

/// One kernel of 784-128-10 at batch 64; `layers.1.bias` is read to wait for the device.
fn kernel(bencher: Bencher, mut executor: impl Executor, label: &str) {
    let bias = executor.plan().tensor_named("layers.1.bias");
    let steps = &executor.plan().program(ProgramId::Train).steps;
    let step = steps.iter().position(|step| step.label == label).expect("a step of this label");
    bencher.bench_local(|| {
        executor.submit_step(ProgramId::Train, step, iteration()).expect("a step");
        executor.read(bias).expect("a read")
    });
}

/// One whole step of 784-128-10 at batch 64.
fn step(bencher: Bencher, mut executor: impl Executor) {
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        executor.submit(ProgramId::Train, &[iteration()]).expect("a step");
        executor.metrics(true).expect("metrics")
    });
}

/// One epoch of 784-128-10 at batch 64.
fn epoch(bencher: Bencher, device: Device, count: usize) {
    let (data, mut trainer) = (samples(count), trainer(device, 1));
    bencher.counter(ItemsCount::new(count)).bench_local(|| trainer.fit(&data, epochs(1), &mut ()).expect("an epoch"));
}

/// One epoch of so many replicas of 784-128-10 at batch 64 on the CPU.
fn replicas(bencher: Bencher, count: usize) {
    let (data, mut trainer) = (samples(EPOCH[0]), trainer(Device::cpu(), count));
    let items = ItemsCount::new(EPOCH[0] * count);
    bencher.counter(items).bench_local(|| trainer.fit(&data, epochs(1), &mut ()).expect("an epoch"));
}

mod cpu {
    use super::*;

    #[divan::bench(args = KERNELS)]
    fn kernel(bencher: Bencher, label: &str) {
        super::kernel(bencher, CpuExecutor::<f32>::new(plan()).expect("memory"), label);
    }

    #[divan::bench]
    fn step(bencher: Bencher) {
        super::step(bencher, CpuExecutor::<f32>::new(plan()).expect("memory"));
    }

    #[divan::bench(sample_count = 10)]
    fn epoch(bencher: Bencher) {
        super::epoch(bencher, Device::cpu(), EPOCH[0]);
    }

    /// Items are samples times replicas: sixteen replicas should lose nothing against sixteen runs of one.
    #[divan::bench(args = [1, 16], sample_count = 10)]
    fn replicas(bencher: Bencher, count: usize) {
        super::replicas(bencher, count);
    }
}

mod gpu {
    use super::*;

    #[divan::bench(args = KERNELS, sample_count = 20)]
    fn kernel(bencher: Bencher, label: &str) {
        let Some(gpu) = super::gpu() else { return };
        super::kernel(bencher, GpuExecutor::new(gpu, plan()).expect("a device"), label);
    }

    #[divan::bench(sample_count = 20)]
    fn step(bencher: Bencher) {
        let Some(gpu) = super::gpu() else { return };
        super::step(bencher, GpuExecutor::new(gpu, plan()).expect("a device"));
    }

    #[divan::bench(sample_count = 5)]
    fn epoch(bencher: Bencher) {
        let Some(gpu) = super::gpu() else { return };
        super::epoch(bencher, gpu.into(), EPOCH[1]);
    }
}
