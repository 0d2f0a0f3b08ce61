//! `wgrad bench`

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use wgrad::Device;
use wgrad::bench::{self, KernelRow, NETWORKS, Network, Peak, TrainingRow};
use wgrad::executor::DeviceInfo;

use crate::args::{self, DeviceArgs, PrecisionArgs, announce};
use crate::bench_report::{self, Machine};
use crate::output::Output;
use crate::{Failure, Result};

const EXAMPLES: &str = "\
Examples:
  wgrad bench
  wgrad bench --device cpu --markdown
  wgrad bench --adapter llvmpipe --seconds 20 --json
  wgrad bench --network 784-128-10@64,784-1024-10@256 --replicas 1,16

Networks are written widths@batch: ReLU, softmax cross-entropy, Adam, as
many samples of random bytes as MNIST has. Software adapters measure the
smallest one only unless others are named.

A kernel's share of the roofline is its minimum time, moving its bytes at
the measured copy rate or doing its operations at the measured
multiply-add rate, over the time that it took. More than 100 % means that
data came from a cache.

JSON events: device, training (one for each network and number of
replicas), peak, kernel.";

/// Benchmark a device: training steps, peak rates, and each kernel relative to them.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Approximate time to spend, in seconds; everything is measured at least once.
    #[arg(long, value_name = "S", default_value_t = 20.0, value_parser = args::duration, allow_hyphen_values = true)]
    seconds: f64,
    /// Networks to measure [default: four common ones; on a software adapter the smallest].
    #[arg(long, value_name = "WIDTHS@BATCH,...", value_delimiter = ',', value_parser = network)]
    network: Vec<Network>,
    /// Numbers of replicas of the first network [default: 1,4,16,64; on a software adapter 1,4,16].
    #[arg(long, value_name = "R,...", value_delimiter = ',', value_parser = args::replicas)]
    replicas: Vec<usize>,
    /// Print the report as Markdown.
    #[arg(long)]
    markdown: bool,
    #[command(flatten, next_help_heading = "Device")]
    device: DeviceArgs,
    #[command(flatten, next_help_heading = "Device")]
    precision: PrecisionArgs,
}

#[derive(Serialize)]
struct DeviceFields<'a> {
    #[serde(flatten)]
    info: &'a DeviceInfo,
    note: Option<&'a str>,
    #[serde(flatten)]
    machine: &'a Machine,
}

/// All measurements.
pub struct Report {
    pub info: DeviceInfo,
    pub machine: Machine,
    pub training: Vec<TrainingRow>,
    pub peak: Peak,
    pub kernels: Vec<KernelRow>,
}

pub fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: wgrad::Error| match error {
        wgrad::Error::Spec { reason, .. } => reason,
        other => other.to_string(),
    })
}

pub fn run(args: &BenchArgs, output: &Output) -> Result<()> {
    if args.markdown && output.json() {
        return Err(Failure::Usage("--markdown and --json exclude each other; leave one out".to_owned()));
    }
    let device = args.device.open(args.precision.precision)?;
    announce(&device, output);
    let (info, machine) = (device.info(), Machine::here());
    output.event("device", &DeviceFields { info: &info, note: device.note(), machine: &machine });
    let report = args.measure(&device, info, machine, output)?;
    let text = if args.markdown { bench_report::markdown(&report) } else { bench_report::text(&report) };
    output.text(&text);
    Ok(())
}

impl BenchArgs {
    /// Training first: on a device that has compiled nothing yet.
    fn measure(&self, device: &Device, info: DeviceInfo, machine: Machine, output: &Output) -> Result<Report> {
        let (networks, replicas) = (self.networks(device)?, self.replicas(device));
        let runs = networks.iter().map(|network| (network, 1)).filter(|_| replicas.contains(&1));
        let many = replicas.iter().filter(|replicas| **replicas > 1).map(|replicas| (&networks[0], *replicas));
        let runs: Vec<_> = runs.chain(many).collect();
        // Every run, every network's kernels and the peaks get the same.
        let budget = Duration::from_secs_f64(self.seconds / (runs.len() + networks.len() + 1) as f64);
        let mut training: Vec<TrainingRow> = Vec::new();
        for (network, replicas) in runs {
            output.note(&format!("measuring training of {network}, {replicas} at a time"));
            let mut row = bench::training(device, network, replicas, budget)?;
            let alone = training.iter().find(|other| other.network == row.network && other.replicas == 1);
            row.speedup = alone.map(|alone| row.model_steps_per_second / alone.model_steps_per_second);
            output.event("training", &row);
            training.push(row);
        }
        output.note("measuring the peaks of a copy and of multiply-adds");
        let peak = bench::peak(device, budget)?;
        output.event("peak", &peak);
        let mut kernels = Vec::new();
        for network in &networks {
            output.note(&format!("measuring kernels of {network}"));
            bench::kernels(device, network, &peak, budget, &mut |row| {
                output.event("kernel", &row);
                kernels.push(row);
            })?;
        }
        Ok(Report { info, machine, training, peak, kernels })
    }

    fn networks(&self, device: &Device) -> Result<Vec<Network>> {
        let usual = if device.is_software() { &NETWORKS[..1] } else { &NETWORKS };
        let networks: Vec<Network> = match &self.network[..] {
            [] => usual.iter().map(|text| text.parse()).collect::<wgrad::Result<_>>()?,
            named => named.to_vec(),
        };
        Ok(networks.into_iter().map(|network| network.with_precision(self.precision.precision)).collect())
    }

    fn replicas(&self, device: &Device) -> Vec<usize> {
        match (&self.replicas[..], device.is_software()) {
            ([], true) => vec![1, 4, 16],
            ([], false) => vec![1, 4, 16, 64],
            (named, _) => named.to_vec(),
        }
    }
}
