//! Memory stays flat: 20,000 training steps of a small network on the CPU, and on the first GPU adapter, software ones
//! too. `cargo bench --bench memory`; `WGRAD_TEST_ADAPTER`, part of an adapter's name, chooses another adapter.
//!
//! Prints what the process holds, and what the GPU's allocator has handed out, at some steps, and their ratios to step
//! 1,000. Exits with status 1 if one is off by more than 1 %.

use std::process::ExitCode;

use ndarray::Array2;
use wgrad::bench::resident_bytes;
use wgrad::gpu::adapters_blocking;
use wgrad::random::{Purpose, Stream};
use wgrad::{
    Activation, Adam, Callback, Dataset, Device, GpuRequest, Loss, Result, Sequential, StepReport, Trainer, epochs,
};

/// The first is what the others are compared with.
const AT: [u64; 4] = [1_000, 5_000, 10_000, 20_000];
const TOLERANCE: f64 = 0.01;
const BATCH: usize = 32;
/// As wide as MNIST: a process of some 30 MB, of which the tolerance is 16 bytes a step. The heap's own grain, some 100 KB
/// that come and go, would already be over 1 % of a smaller one.
const INPUTS: usize = 784;
const CLASSES: u32 = 10;
/// 500 steps an epoch, so that epochs end before the first and between all looks.
const SAMPLES: usize = 500 * BATCH;

/// What is held at one step.
struct Held {
    step: u64,
    host: u64,
    device: Option<u64>,
}

/// Looks at the memory where it is due.
struct Watch {
    device: Device,
    held: Vec<Held>,
}

impl Callback for Watch {
    fn on_step(&mut self, report: &StepReport) {
        if AT.contains(&report.step)
            && let Some(host) = resident_bytes()
        {
            self.held.push(Held { step: report.step, host, device: self.device.allocated_bytes() });
        }
    }
}

fn main() -> ExitCode {
    // `cargo test --benches` passes this flag; there is nothing to measure then.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    if resident_bytes().is_none() {
        println!("this system does not tell what a process holds; nothing measured");
        return ExitCode::SUCCESS;
    }
    match all_flat() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("memory is not flat: a ratio is off by more than {} %", 100.0 * TOLERANCE);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The CPU goes first: a process that has opened a GPU holds the driver's libraries, beside which little would show.
fn all_flat() -> Result<bool> {
    let cpu = flat(Device::cpu())?;
    if adapters_blocking().is_empty() {
        println!("no GPU adapter found: the CPU only");
        return Ok(cpu);
    }
    let name = std::env::var("WGRAD_TEST_ADAPTER").unwrap_or_else(|_| "0".to_owned());
    Ok(flat(Device::gpu(GpuRequest::Named(name))?)? && cpu)
}

/// Trains, prints what was held, and says whether it stayed within the tolerance.
fn flat(device: Device) -> Result<bool> {
    let info = device.info();
    println!("{}: {} ({} {})", info.device, info.adapter, info.backend, info.driver);
    let model = Sequential::new(INPUTS).dense(16, Activation::Relu).dense(CLASSES as usize, Activation::Linear);
    let builder = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(1e-4)).batch_size(BATCH);
    let mut trainer = builder.device(device.clone()).build()?;
    let mut watch = Watch { device, held: Vec::new() };
    let whole = (AT[AT.len() - 1] as usize).div_ceil(SAMPLES / BATCH);
    trainer.fit(&samples()?, epochs(whole), &mut watch)?;
    println!("{:>6}  {:>12}  {:>7}  {:>12}  {:>7}", "step", "host bytes", "ratio", "GPU bytes", "ratio");
    let (first, mut flat) = (&watch.held[0], watch.held.len() == AT.len());
    for held in &watch.held {
        let host = held.host as f64 / first.host as f64;
        let device = held.device.zip(first.device).map(|(now, then)| now as f64 / then as f64);
        let bytes = held.device.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let ratio = device.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.4}"));
        println!("{:>6}  {:>12}  {host:>7.4}  {bytes:>12}  {ratio:>7}", held.step, held.host);
        flat &= [Some(host), device].iter().flatten().all(|ratio| (ratio - 1.0).abs() <= TOLERANCE);
    }
    println!();
    Ok(flat)
}

fn samples() -> Result<Dataset> {
    let mut stream = Stream::new(1, Purpose::Inputs, 0);
    let pixels = Array2::from_shape_simple_fn((SAMPLES, INPUTS), || stream.word() as u8);
    let labels = (0..SAMPLES).map(|_| stream.word() % CLASSES).collect();
    Dataset::from_images("random bytes", pixels, labels)
}
