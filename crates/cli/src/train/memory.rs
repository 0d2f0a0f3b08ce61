//! `wgrad train --dry-run`

use serde::Serialize;
use wgrad::Device;
use wgrad::executor::DeviceInfo;
use wgrad::plan::{MemoryLimits, MemoryReport, MemoryUse};
use wgrad::run::Prepared;

use super::device_entries;
use crate::Result;
use crate::args::announce;
use crate::output::Output;
use crate::table::{Table, bytes};
use crate::words;

/// The purpose of the memory.
#[derive(Serialize)]
struct Network {
    architecture: String,
    replicas: usize,
    batch: usize,
    samples: usize,
}

impl Network {
    fn new(prepared: &Prepared) -> Self {
        let (training, samples) = (&prepared.spec.training, prepared.parts.train.len());
        let (architecture, batch) = (prepared.model.architecture(), training.batch_of(samples));
        Self { architecture, replicas: training.replicas, batch, samples }
    }
}

#[derive(Serialize)]
struct Fields<'a> {
    #[serde(flatten)]
    network: &'a Network,
    #[serde(flatten)]
    report: &'a MemoryReport,
    peak: u64,
    fits: bool,
    /// What does not fit, and the remedy.
    reason: Option<String>,
    #[serde(flatten)]
    device: DeviceInfo,
    note: Option<&'a str>,
}

/// Reports how much memory training needs and how much is available; an error if it does not fit. Nothing is allocated
/// and nothing runs.
pub fn dry_run(prepared: &Prepared, device: &Device, output: &Output) -> Result<()> {
    let (network, report) = (&Network::new(prepared), prepared.memory()?);
    let checked = report.check();
    announce(device, output);
    let (fits, reason) = (checked.is_ok(), checked.as_ref().err().map(|error| words::of(error, true)));
    let info = device.info();
    let fields =
        Fields { network, report: &report, peak: report.peak(), fits, reason, device: info, note: device.note() };
    output.event("memory", &fields);
    output.text(&list(network, &report, fits, &fields.device).to_string());
    Ok(checked?)
}

fn list(network: &Network, report: &MemoryReport, fits: bool, device: &DeviceInfo) -> Table {
    let mut list = Table::list();
    let mut entry = |name: &str, value: u64| {
        let known = value < u64::MAX;
        list.entry(name, if known { format!("{value:>14}  {}", bytes(value)) } else { "more than 2^64".to_owned() });
    };
    let MemoryUse { parameters, optimizer_state, statistics, activations, gradients, dataset, .. } = report.held;
    let MemoryUse { evaluation, metrics, kept, uniforms, .. } = report.held;
    let held = [
        ("parameters", parameters),
        ("optimizer state", optimizer_state),
        ("running statistics", statistics),
        ("activations and their gradients", activations),
        ("gradients of parameters", gradients),
        ("training samples on the device", dataset),
        ("evaluation's samples", evaluation),
        ("metrics", metrics),
        ("two kept models", kept),
        ("kernels' uniforms", uniforms),
    ];
    held.into_iter().filter(|(_, bytes)| *bytes > 0).for_each(|(name, bytes)| entry(name, bytes));
    entry("held in all", report.total);
    let most = [
        ("borrowed by steps, at most", report.scratch),
        ("on the way to or from the device, at most", report.transfer),
        ("weights on the host, at most", report.host),
        ("checkpoints on the host, at most", report.checkpoint),
    ];
    most.into_iter().filter(|(_, bytes)| *bytes > 0).for_each(|(name, bytes)| entry(name, bytes));
    entry("in all, at most", report.peak());
    let MemoryLimits { max_storage_binding, max_buffer, available } = report.limits;
    entry("largest tensor", report.largest.bytes);
    max_storage_binding.into_iter().for_each(|limit| entry("  max_storage_buffer_binding_size", limit));
    max_buffer.into_iter().for_each(|limit| entry("  max_buffer_size", limit));
    match available {
        Some(free) => entry("the machine's free memory", free),
        None => list.entry("the device's memory", "not told: allocated before the first step"),
    }
    list.entry("the largest tensor", format!("{} {:?}", report.largest.name, report.largest.shape));
    list.entry("network", &network.architecture);
    let Network { replicas, batch, samples, .. } = network;
    list.entry("replicas, batch, samples", format!("{replicas}, {batch}, {samples}"));
    device_entries(&mut list, device);
    list.entry("verdict", if fits { "fits" } else { "does not fit" });
    list
}
