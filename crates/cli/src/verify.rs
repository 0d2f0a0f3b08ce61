//! `wgrad verify`

use std::time::Instant;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;
use wgrad::Precision;
use wgrad::gpu::{Gpu, GpuOptions, GpuRequest, adapters_blocking, automatic};
use wgrad::verify::{Row, Summary, VerifyOptions, verify};

use crate::args::{self, precision};
use crate::output::Output;
use crate::table::{Table, seconds};
use crate::train::device_entries;
use crate::{Failure, Result};

const EXAMPLES: &str = "\
Examples:
  wgrad verify
  wgrad verify --adapter llvmpipe --seed 7
  wgrad verify --quick --json
  wgrad verify --adapter llvmpipe --precision f16

Exits with status 1 if anything is out of bounds.
JSON events: device, kernel (one for each row of the table), summary.";

/// Verify every kernel on an adapter against the CPU reference.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Verify this adapter, part of its name or its number as in `wgrad adapters` [default: the best real GPU, or else
    /// the first software adapter].
    #[arg(long, value_name = "NAME|INDEX", value_parser = NonEmptyStringValueParser::new())]
    adapter: Option<String>,
    /// Seed of the generated inputs.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = args::whole::<u64>, allow_hyphen_values = true)]
    seed: u64,
    /// Test only a third of the sizes.
    #[arg(long)]
    quick: bool,
    /// Include kernels with subgroup operations, and run whole networks with them.
    #[arg(long)]
    subgroup: bool,
    /// Precision to verify: f32, or f16 for the kernels that read or write f16, and whole networks.
    #[arg(long, value_name = "f32|f16", default_value_t = Precision::F32, value_parser = precision)]
    precision: Precision,
    /// Verify only kernels whose name contains this [default: all].
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    filter: Option<String>,
}

#[derive(Serialize)]
struct SummaryFields<'a> {
    passed: bool,
    #[serde(flatten)]
    summary: &'a Summary,
    seconds: f64,
}

pub fn run(args: &VerifyArgs, output: &Output, started: Instant) -> Result<()> {
    let gpu = open(args, output)?;
    let info = gpu.info();
    output.event("device", &info);
    let mut list = Table::list();
    device_entries(&mut list, &info);
    output.text(&format!("{list}\n"));
    let options =
        VerifyOptions { seed: args.seed, filter: args.filter.clone(), quick: args.quick, precision: args.precision };
    let mut rows = Vec::new();
    let summary = verify(&gpu, &options, &mut |row| {
        output.event("kernel", row);
        if !output.json() {
            output.note(&format!("{} {}: {}", row.kernel, row.variant, verdict(row)));
        }
        rows.push(row.clone());
    })?;
    if summary.rows == 0 {
        let filter = args.filter.as_deref().unwrap_or_default();
        return Err(Failure::Usage(format!("--filter {filter} matches no kernel; leave it out to verify all")));
    }
    let fields =
        SummaryFields { passed: summary.passed(), summary: &summary, seconds: started.elapsed().as_secs_f64() };
    output.event("summary", &fields);
    report(&rows, &fields, output);
    let failed = summary.failed;
    match summary.passed() {
        true => Ok(()),
        false => {
            Err(Failure::Verdict(format!("{failed} of {} rows are out of bounds on {}", summary.rows, info.adapter)))
        }
    }
}

fn report(rows: &[Row], fields: &SummaryFields<'_>, output: &Output) {
    let mut table = Table::new(&["kernel", "variant", "sizes", ">cases", ">worst", "verdict"]);
    for row in rows {
        let (cases, worst) = (row.cases.to_string(), format!("{:.3}", row.worst));
        let names = [row.kernel.clone(), row.variant.clone(), row.what.clone()];
        table.row(names.into_iter().chain([cases, worst, verdict(row).to_owned()]));
    }
    output.text(&format!("{table}\n\nworst: the largest error as a fraction of its derived bound"));
    for detail in rows.iter().flat_map(|row| row.details.iter().map(|detail| (&row.kernel, &row.variant, detail))) {
        output.text(&format!("miss: {} {}: {}", detail.0, detail.1, detail.2));
    }
    let Summary { rows, cases, compared, failed } = fields.summary;
    let time = seconds(fields.seconds);
    output.text(&format!("{rows} rows, {cases} cases, {compared} numbers compared, {failed} rows failed, {time}"));
}

fn verdict(row: &Row) -> &'static str {
    if row.passed() { "ok" } else { "FAILED" }
}

/// The adapter that was asked for; else the best real one; else the first software one, which is said.
fn open(args: &VerifyArgs, output: &Output) -> Result<Gpu> {
    let request = match &args.adapter {
        Some(name) => GpuRequest::Named(name.clone()),
        None => best(output),
    };
    let f16 = args.precision == Precision::F16;
    let options = GpuOptions { request, default_limits: false, subgroups: args.subgroup, f16 };
    Gpu::request_blocking(&options).map_err(args::gpu_only)
}

fn best(output: &Output) -> GpuRequest {
    let reports = adapters_blocking();
    let usable = |report: &&wgrad::gpu::AdapterReport| report.below_default_limits.is_none();
    match (automatic(&reports), reports.iter().find(usable)) {
        (None, Some(software)) => {
            let (index, name) = (software.index, &software.name);
            output.note(&format!("no real GPU: verifying the software adapter {index}, {name}"));
            GpuRequest::Named(index.to_string())
        }
        // With no adapter at all, the request says how to get one.
        _ => GpuRequest::Best,
    }
}
