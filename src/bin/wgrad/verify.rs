//! `wgrad verify`

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use wgrad::gpu::{Gpu, GpuOptions, GpuRequest, adapters_blocking, automatic};

use crate::Result;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  wgrad verify
  wgrad verify --adapter llvmpipe --seed 7
  wgrad verify --quick --json

Exits with status 1 if anything is out of its bound.
JSON events: device, kernel (one for each row of the table), summary.";

/// Check every kernel of an adapter against the CPU reference.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Verify this adapter, part of its name or its number as in `wgrad adapters` [default: the best real GPU, or else
    /// the first software adapter].
    #[arg(long, value_name = "NAME|INDEX", value_parser = NonEmptyStringValueParser::new())]
    adapter: Option<String>,
    /// Seed of the made-up inputs.
    #[arg(long, value_name = "S", default_value_t = 0, allow_hyphen_values = true)]
    seed: u64,
    /// Try a third of the sizes only.
    #[arg(long)]
    quick: bool,
    /// Only kernels whose name contains this [default: all].
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    filter: Option<String>,
}

pub fn run(args: &VerifyArgs, output: &Output) -> Result<()> {
    let gpu = open(args.adapter.as_deref(), output)?;
    let _ = (gpu, args.seed, args.quick, &args.filter);
    Err(crate::Failure::Verdict("not there yet".to_owned()))
}

/// The adapter that was asked for; else the best real one; else the first software one, which is said.
fn open(name: Option<&str>, output: &Output) -> Result<Gpu> {
    let request = match name {
        Some(name) => GpuRequest::Named(name.to_owned()),
        None => best(output),
    };
    Ok(Gpu::request_blocking(&GpuOptions { request, default_limits: false })?)
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
