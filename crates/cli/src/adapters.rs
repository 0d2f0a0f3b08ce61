//! `wgrad adapters`

use clap::Args;
use serde::Serialize;
use wgrad::Device;
use wgrad::gpu::{AdapterReport, adapters_blocking, automatic};

use crate::Result;
use crate::output::Output;
use crate::table::{Table, bytes};

const EXAMPLES: &str = "\
Examples:
  wgrad adapters
  wgrad train mnist --adapter 0

Limits may exceed WebGPU's defaults; no kernel needs more than the defaults.
JSON events: adapter (one each), choice.";

/// List the GPU adapters of this machine and the one that `--device auto` picks.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct AdaptersArgs {}

#[derive(Serialize)]
struct Choice {
    /// `gpu` or `cpu`.
    device: &'static str,
    /// The adapter's number, if it is one.
    index: Option<usize>,
    /// Why.
    reason: String,
}

pub fn run(output: &Output) -> Result<()> {
    let reports = adapters_blocking();
    for report in &reports {
        output.event("adapter", report);
        output.text(&format!("{}\n", describe(report)));
    }
    let choice = choice(&reports)?;
    output.event("choice", &choice);
    let place = choice.index.map_or("the CPU".to_owned(), |index| format!("adapter {index}"));
    output.text(&format!("--device auto takes {place}: {}", choice.reason));
    Ok(())
}

fn choice(reports: &[AdapterReport]) -> Result<Choice> {
    if let Some(best) = automatic(reports) {
        let (index, name, kind) = (best.index, &best.name, best.kind);
        let reason = format!("{name} is the best real GPU ({kind})");
        return Ok(Choice { device: "gpu", index: Some(index), reason });
    }
    let device = Device::auto()?;
    let mut reason = device.note().unwrap_or("no real GPU meets the limits").to_owned();
    if reports.is_empty() {
        reason = format!("{reason}; {}", crate::words::driver());
    }
    Ok(Choice { device: "cpu", index: None, reason })
}

/// A block of lines rather than a row: names and drivers are long.
fn describe(report: &AdapterReport) -> Table {
    let mut list = Table::list();
    list.entry(&format!("adapter {}", report.index), &report.name);
    list.entry("  type", report.kind);
    list.entry("  backend", &report.backend);
    list.entry("  driver", &report.driver);
    let (binding, buffer) = (bytes(report.max_storage_binding), bytes(report.max_buffer));
    list.entry("  largest binding", format!("{binding}, buffer {buffer}"));
    let (memory, invocations) = (bytes(report.max_workgroup_memory.into()), report.max_invocations);
    list.entry("  workgroup", format!("{invocations} invocations, {memory} of memory"));
    let asked = |has: bool, text: &'static str| if has { text } else { "" };
    let subgroups = asked(report.subgroups, "; subgroups by --kernels subgroup");
    let f16 = asked(report.f16, "; f16 by --precision f16");
    list.entry("  features used", format!("none beyond WebGPU's defaults{subgroups}{f16}"));
    if let Some(missing) = &report.below_default_limits {
        list.entry("  cannot be used", format!("below WebGPU's default limits: {missing}"));
    }
    list
}
