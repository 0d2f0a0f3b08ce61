//! Benchmarks: each kernel of a training step by itself, and whole training steps, on one device.

use std::time::{Duration, Instant};

use ndarray::Array2;
use serde::Serialize;

use crate::data::{Dataset, Features, Targets};
use crate::error::Result;
use crate::executor::{Executor, TensorData};
use crate::ops::{Activation, Loss, Operation};
use crate::plan::{Iteration, ProgramId, TensorId};
use crate::random::{Purpose, Stream};
use crate::spec::{Adam, Sequential};
use crate::train::{Device, LayerWeights, Trainer, epochs};

/// Samples of the made-up training set: enough steps an epoch that its ends do not count, small enough to make up.
const SAMPLES: usize = 8192;
const CLASSES: u32 = 10;
/// Small enough that no number leaves its range, however often a step is repeated.
const LEARNING_RATE: f32 = 1e-6;
/// What one timing of a kernel aims at: far above the clock's grain and a submission's cost, well under the 250 ms after
/// which a watchdog may end a submission.
const TIMING: Duration = Duration::from_millis(40);

/// A network to measure: ReLU between dense layers, softmax cross-entropy, Adam, u8 samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Inputs, hidden widths, classes.
    pub widths: &'static [usize],
    /// B.
    pub batch: usize,
}

/// The networks that `wgrad bench` measures, the smallest first.
pub const NETWORKS: &[Network] = &[
    Network { widths: &[784, 128, 10], batch: 64 },
    Network { widths: &[784, 512, 512, 10], batch: 128 },
    Network { widths: &[784, 128, 10], batch: 1024 },
];

impl Network {
    fn model(&self) -> Sequential {
        let (inputs, units) = (self.widths[0], &self.widths[1..]);
        units.iter().enumerate().fold(Sequential::new(inputs), |model, (layer, width)| {
            let last = layer + 1 == units.len();
            model.dense(*width, if last { Activation::Linear } else { Activation::Relu })
        })
    }

    fn trainer(&self, device: &Device) -> Result<Trainer> {
        let builder = Trainer::new(self.model(), Loss::SoftmaxCrossEntropy, Adam::new(LEARNING_RATE));
        builder.device(device.clone()).batch_size(self.batch).build()
    }

    /// Random bytes with random labels: nothing to learn, but as much work as any data.
    fn samples(&self) -> Result<Dataset> {
        let mut stream = Stream::new(0, Purpose::Inputs, 0);
        let mut bytes = std::iter::repeat_with(|| stream.word().to_le_bytes()).flatten();
        let images = Array2::from_shape_simple_fn((SAMPLES, self.widths[0]), || bytes.next().unwrap_or_default());
        let labels = (0..SAMPLES).map(|_| stream.word() % CLASSES).collect();
        Dataset::from_images("random bytes", images, labels)
    }
}

impl std::fmt::Display for Network {
    /// `784-128-10@64`: widths and batch.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}@{}", self.model().architecture(), self.batch))
    }
}

/// One kernel of a training step, timed by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelRow {
    /// `784-128-10@64`: widths and batch.
    pub network: String,
    /// `layer 0 forward`
    pub step: String,
    /// The kernel family.
    pub operation: &'static str,
    /// Floating-point operations of one run, a multiply-add counted as two.
    pub flops: u64,
    /// How often it ran within the timings.
    pub runs: usize,
    /// Of one run: the median of the timings.
    pub seconds: f64,
    /// Billions of floating-point operations a second.
    pub gflops: f64,
}

/// Whole training steps, as `fit` does them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainingRow {
    /// `784-128-10@64`: widths and batch.
    pub network: String,
    /// Samples of the made-up training set.
    pub samples: usize,
    /// Steps that were timed.
    pub steps: u64,
    /// Kernel launches a step.
    pub dispatches_per_step: usize,
    /// Steps a second.
    pub steps_per_second: f64,
    /// Samples a second.
    pub samples_per_second: f64,
    /// Seconds from a device without a plan to the first step's loss: compiling, allocating and uploading.
    pub time_to_first_step: f64,
}

/// Times each step of a network's training plan by itself, all of them within about `budget`.
///
/// # Errors
/// What the device reports, [`Error::Limit`](crate::Error::Limit) among it.
pub fn kernels(device: &Device, network: &Network, budget: Duration, report: &mut dyn FnMut(KernelRow)) -> Result<()> {
    let data = network.samples()?;
    let mut executor = device.executor(network.trainer(device)?.plan(&data)?)?;
    fill(executor.as_mut(), &network.model(), &data)?;
    let iteration = Iteration { rows: network.batch as u32, first: 0, slot: 0, number: 1 };
    // One whole step first, so that every tensor holds what it does in training.
    executor.submit(ProgramId::Train, &[iteration])?;
    executor.metrics(true)?;
    let steps = executor.plan().program(ProgramId::Train).steps.clone();
    for (index, step) in steps.iter().enumerate() {
        let (runs, seconds) = time_step(executor.as_mut(), index, iteration, budget / steps.len() as u32)?;
        let flops = step.op.flops();
        let (network, operation, gflops) = (network.to_string(), step.operation(), flops as f64 / seconds / 1e9);
        report(KernelRow { network, step: step.label.clone(), operation, flops, runs, seconds, gflops });
    }
    Ok(())
}

/// Times whole training steps for about `budget`.
///
/// # Errors
/// What the device reports, [`Error::Limit`](crate::Error::Limit) among it.
pub fn training(device: &Device, network: &Network, budget: Duration) -> Result<TrainingRow> {
    let data = network.samples()?;
    let mut trainer = network.trainer(device)?;
    let mut fit = |steps: u64| {
        let whole = epochs(steps.div_ceil((SAMPLES / network.batch) as u64) as usize);
        trainer.fit(&data, whole.steps(Some(steps)), &mut ())
    };
    // The first step compiles and allocates, those after it find how many steps make a timing.
    let first = fit(1)?;
    let (started, mut at_once) = (Instant::now(), 1);
    let mut timed = fit(at_once)?;
    while started.elapsed() < budget / 2 {
        at_once *= 2;
        timed = fit(at_once)?;
    }
    let (mut steps, mut seconds) = (timed.steps, timed.training_seconds);
    while started.elapsed() < budget {
        let history = fit(at_once)?;
        steps += history.steps;
        seconds += history.training_seconds;
    }
    let steps_per_second = steps as f64 / seconds;
    Ok(TrainingRow {
        network: network.to_string(),
        samples: data.len(),
        steps,
        dispatches_per_step: first.run.dispatches_per_step,
        steps_per_second,
        samples_per_second: steps_per_second * network.batch as f64,
        time_to_first_step: first.time_to_first_step,
    })
}

/// Weights, samples, targets and order, as a fit would write them.
fn fill(executor: &mut dyn Executor, model: &Sequential, data: &Dataset) -> Result<()> {
    let weights = LayerWeights::initial(model, 0);
    for (n, layer) in weights.iter().enumerate() {
        let tensors = executor.plan().layers[n];
        executor.write(tensors.weight, 0, TensorData::F32(layer.weight.as_slice().unwrap_or(&[])))?;
    }
    let train = executor.plan().program(ProgramId::Train);
    let (samples, targets, order) = (train.samples, train.targets, train.order);
    if let Features::U8(images) = data.features() {
        executor.write(samples, 0, TensorData::U8(images.as_slice().unwrap_or(&[])))?;
    }
    if let Targets::Classes(labels) = data.targets() {
        executor.write(targets, 0, TensorData::U32(labels))?;
    }
    let indices: Vec<u32> = (0..data.len() as u32).collect();
    executor.write(order, 0, TensorData::U32(&indices))
}

/// How often a step ran, and the median of its seconds.
fn time_step(executor: &mut dyn Executor, step: usize, iteration: Iteration, budget: Duration) -> Result<(usize, f64)> {
    let probe = executor.plan().layers[executor.plan().layers.len() - 1].bias;
    let mut time = |times: usize| timed(executor, step, iteration, times, probe);
    // Warm-up that also finds how many repetitions make a timing.
    let mut times = 1;
    while time(times)? < TIMING / 2 && times < 1 << 16 {
        times *= 2;
    }
    let (started, mut seconds) = (Instant::now(), Vec::new());
    while seconds.is_empty() || started.elapsed() < budget {
        seconds.push(time(times)?.as_secs_f64() / times as f64);
    }
    seconds.sort_by(f64::total_cmp);
    Ok((times * seconds.len(), seconds[seconds.len() / 2]))
}

/// Repetitions of a step, until a read behind them answers.
fn timed(
    executor: &mut dyn Executor,
    step: usize,
    iteration: Iteration,
    times: usize,
    probe: TensorId,
) -> Result<Duration> {
    let started = Instant::now();
    executor.repeat_step(ProgramId::Train, step, iteration, times)?;
    executor.read(probe)?;
    Ok(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dense_step_has_a_rate_and_training_too() {
        let network = Network { widths: &[20, 7, 10], batch: 16 };
        let (device, budget) = (Device::cpu(), Duration::from_millis(1));
        let mut rows = Vec::new();
        kernels(&device, &network, budget, &mut |row| rows.push(row)).unwrap();
        // L forward, the last with the loss, L - 1 input gradients, L weight gradients.
        assert_eq!(rows.len(), 2 + 1 + 2, "{rows:?}");
        assert!(rows.iter().all(|row| row.runs > 0 && row.seconds > 0.0 && row.gflops.is_finite()), "{rows:?}");
        let forward = rows.iter().find(|row| row.operation == "dense_forward").unwrap();
        assert!(forward.flops >= 2 * 16 * 20 * 7, "{forward:?}");
        let row = training(&device, &network, budget).unwrap();
        assert_eq!((row.network.as_str(), row.dispatches_per_step), ("20-7-10@16", rows.len()));
        assert!(row.steps > 0 && row.steps_per_second > 0.0, "{row:?}");
    }
}
