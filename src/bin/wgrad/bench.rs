//! `wgrad bench`

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use wgrad::bench::{self, KernelRow, NETWORKS, Network, TrainingRow};
use wgrad::executor::DeviceInfo;
use wgrad::gpu::adapters_blocking;

use crate::Result;
use crate::args::{self, DeviceArgs, announce};
use crate::output::Output;
use crate::table::{Table, seconds};
use crate::train::device_entries;

const EXAMPLES: &str = "\
Examples:
  wgrad bench
  wgrad bench --device cpu --seconds 3
  wgrad bench --adapter llvmpipe --json

Networks are written widths@batch, as 784-128-10@64: ReLU, softmax
cross-entropy, Adam, samples of random bytes. Software adapters get the
smallest one only.
JSON events: device, kernel, training.";

/// Measure kernels and whole training steps on a device.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Seconds to spend, about; half on kernels, half on training.
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = args::duration, allow_hyphen_values = true)]
    seconds: f64,
    #[command(flatten, next_help_heading = "Device")]
    device: DeviceArgs,
}

#[derive(Serialize)]
struct DeviceFields<'a> {
    #[serde(flatten)]
    info: &'a DeviceInfo,
    note: Option<&'a str>,
}

pub fn run(args: &BenchArgs, output: &Output) -> Result<()> {
    let device = args.device.open()?;
    announce(&device, output);
    let info = device.info();
    output.event("device", &DeviceFields { info: &info, note: device.note() });
    let mut list = Table::list();
    device_entries(&mut list, &info);
    output.text(&format!("{list}\n"));
    let networks = if is_software(&info) { &NETWORKS[..1] } else { NETWORKS };
    let budget = Duration::from_secs_f64(args.seconds / (2 * networks.len()) as f64);
    let mut kernels = Vec::new();
    for network in networks {
        progress(output, "kernels", network);
        bench::kernels(&device, network, budget, &mut |row| {
            output.event("kernel", &row);
            kernels.push(row);
        })?;
    }
    output.text(&format!("kernels of a training step, each by itself\n{}\n", kernel_table(&kernels)));
    let mut training = Vec::new();
    for network in networks {
        progress(output, "training", network);
        let row = bench::training(&device, network, budget)?;
        output.event("training", &row);
        training.push(row);
    }
    let samples = training.first().map_or(0, |row| row.samples);
    output.text(&format!("training, {samples} samples an epoch\n{}", training_table(&training)));
    Ok(())
}

fn progress(output: &Output, what: &str, network: &Network) {
    output.note(&format!("measuring {what} of {network}"));
}

fn is_software(info: &DeviceInfo) -> bool {
    let same = |report: &wgrad::gpu::AdapterReport| report.name == info.adapter && report.kind == "software";
    info.device == "gpu" && adapters_blocking().iter().any(same)
}

fn kernel_table(rows: &[KernelRow]) -> Table {
    let mut table = Table::new(&["network", "step", ">GFLOP/s", ">time", ">runs"]);
    for row in rows {
        let time = seconds(row.seconds);
        table.row([row.network.clone(), row.step.clone(), format!("{:.2}", row.gflops), time, row.runs.to_string()]);
    }
    table
}

fn training_table(rows: &[TrainingRow]) -> Table {
    let titles = ["network", ">steps/s", ">samples/s", ">dispatches", ">first step", ">steps timed"];
    let mut table = Table::new(&titles);
    for row in rows {
        table.row([
            row.network.clone(),
            format!("{:.0}", row.steps_per_second),
            format!("{:.0}", row.samples_per_second),
            row.dispatches_per_step.to_string(),
            seconds(row.time_to_first_step),
            row.steps.to_string(),
        ]);
    }
    table
}
