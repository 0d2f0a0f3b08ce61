//! Trains one of the comparison's networks in burn and prints one line of JSON.
//!
//! Samples lie on the device from the start and are gathered there; losses are added up there and read once an epoch.

mod mnist;
mod network;

use std::collections::HashMap;
use std::error::Error;
use std::time::Instant;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::TensorData;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use mnist::Mnist;
use network::Network;

/// burn's version as `Cargo.lock` pins it.
const VERSION: &str = env!("BURN_VERSION");
/// Test samples at once on a backend that need not compile for each shape.
const TEST_BATCH: usize = 1000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What was asked for on the command line.
struct Arguments {
    backend: String,
    data: String,
    widths: Vec<usize>,
    batch: usize,
    epochs: usize,
    samples: usize,
    seed: u64,
}

impl Arguments {
    /// Every option has a value, `--name value`.
    fn parse(words: &[String]) -> Result<Self> {
        let mut options: HashMap<&str, &str> = HashMap::new();
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(format!("{} has no value", pair[0]).into()) };
            options.insert(name, value);
        }
        let mut take = |name: &str, default: &str| options.remove(name).unwrap_or(default).to_owned();
        let widths =
            take("--widths", "784,128,10").split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
        let arguments = Self {
            backend: take("--backend", "flex"),
            data: take("--data", "datasets/mnist"),
            widths,
            batch: take("--batch", "64").parse()?,
            epochs: take("--epochs", "3").parse()?,
            samples: take("--samples", "60000").parse()?,
            seed: take("--seed", "0").parse()?,
        };
        match options.keys().next() {
            Some(name) => Err(format!("unknown option {name}").into()),
            None => Ok(arguments),
        }
    }
}

/// The device of a backend's name; `-software` takes an adapter that computes on the CPU, as llvmpipe.
fn device(backend: &str) -> Result<Device> {
    Ok(match backend {
        #[cfg(feature = "cpu")]
        "flex" => Device::flex(),
        #[cfg(feature = "cpu")]
        #[expect(deprecated, reason = "still compared, as the backend that many users have")]
        "ndarray" => Device::ndarray(),
        #[cfg(feature = "gpu")]
        "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "gpu")]
        "wgpu-software" => Device::wgpu(burn::tensor::DeviceKind::Cpu),
        other => return Err(format!("backend {other} is unknown or was not built").into()),
    })
}

/// Samples with their classes on the device.
struct Samples {
    images: Tensor<2>,       // (N, I)
    classes: Tensor<1, Int>, // (N)
}

impl Samples {
    fn new(data: Mnist, device: &Device) -> Self {
        let count = data.classes.len();
        let images = TensorData::new(data.images, [count, mnist::PIXELS]);
        let classes = TensorData::new(data.classes, [count]);
        Self { images: Tensor::from_data(images, device), classes: Tensor::from_data(classes, device) }
    }
}

/// All that training changes.
struct Training {
    network: Network,
    optimizer: ModuleOptimizer,
}

impl Training {
    /// One step; returns the loss before its update, still on the device.
    fn step(mut self, samples: &Samples, rows: Tensor<1, Int>) -> (Self, Tensor<1>) {
        let images = samples.images.clone().select(0, rows.clone()).autodiff();
        let classes = samples.classes.clone().select(0, rows).autodiff();
        let logits = self.network.forward(images);
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, classes);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = self.optimizer.step(1e-3, self.network, gradients);
        (self, loss.inner())
    }

    /// One pass in this order; returns the mean loss of its samples.
    fn epoch(mut self, samples: &Samples, order: &[i32], batch: usize, device: &Device) -> Result<(Self, f32)> {
        let count = order.len();
        let order = Tensor::<1, Int>::from_data(TensorData::new(order.to_vec(), [count]), device);
        let mut sum = Tensor::<1>::zeros([1], device);
        for first in (0..count).step_by(batch) {
            let end = count.min(first + batch);
            let (after, loss) = self.step(samples, order.clone().narrow(0, first, end - first));
            self = after;
            sum = sum + loss * ((end - first) as f32);
        }
        let mean = sum.into_scalar::<f32>() / count as f32;
        device.sync().map_err(|error| format!("{error:?}"))?;
        Ok((self, mean))
    }
}

/// The part of the samples that the network names rightly.
fn accuracy(network: &Network, samples: &Samples, batch: usize) -> f64 {
    let network = network.valid();
    let [count, _] = samples.images.dims();
    let mut right = 0;
    for first in (0..count).step_by(batch) {
        let end = count.min(first + batch);
        let named = network.forward(samples.images.clone().narrow(0, first, end - first)).argmax(1).flatten::<1>(0, 1);
        let equal = named.equal(samples.classes.clone().narrow(0, first, end - first));
        right += equal.int().sum().into_scalar::<i64>();
    }
    right as f64 / count as f64
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["--version"] {
        println!("{}", serde_json::json!({ "version": VERSION }));
        return Ok(());
    }
    let arguments = Arguments::parse(&words)?;
    let mut train = Mnist::read(&arguments.data, "train")?;
    train.truncate(arguments.samples);
    let test = Mnist::read(&arguments.data, "t10k")?;

    let started = Instant::now();
    let device = device(&arguments.backend)?;
    device.seed(arguments.seed);
    let train = Samples::new(train, &device);
    let network = Network::new(&arguments.widths, &device.clone().autodiff());
    let optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut training = Training { network, optimizer };
    let mut order: Vec<i32> = (0..train.images.dims()[0] as i32).collect();
    let mut random = SmallRng::seed_from_u64(arguments.seed);
    order.shuffle(&mut random);
    // A step by itself, so that its time is known; it trains too.
    (training, _) = training.epoch(&train, &order[..arguments.batch], arguments.batch, &device)?;
    let time_to_first_step = started.elapsed().as_secs_f64();

    let (mut epoch_seconds, mut train_loss) = (Vec::new(), 0.0);
    for _ in 0..arguments.epochs {
        let started = Instant::now();
        order.shuffle(&mut random);
        (training, train_loss) = training.epoch(&train, &order, arguments.batch, &device)?;
        epoch_seconds.push(started.elapsed().as_secs_f64());
    }
    let is_cpu = matches!(arguments.backend.as_str(), "flex" | "ndarray");
    let test_batch = if is_cpu { TEST_BATCH } else { arguments.batch };
    let test_accuracy = accuracy(&training.network, &Samples::new(test, &device), test_batch);
    let widths: Vec<String> = arguments.widths.iter().map(ToString::to_string).collect();
    let line = serde_json::json!({
        "framework": format!("burn {}", arguments.backend),
        "version": VERSION,
        "device": format!("{device:?}"),
        "network": widths.join("-"),
        "batch": arguments.batch,
        "samples": order.len(),
        "last_batch": "kept",
        "compile_seconds": null,
        "time_to_first_step": time_to_first_step,
        "epoch_seconds": epoch_seconds,
        "train_loss": train_loss,
        "test_accuracy": test_accuracy,
    });
    println!("{line}");
    Ok(())
}
