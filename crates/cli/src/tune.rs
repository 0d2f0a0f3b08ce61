//! `wgrad tune`

use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;
use wgrad::Precision;
use wgrad::bench::{NETWORKS, Network};
use wgrad::files::{cache_directory, check_writable};
use wgrad::gpu::{Gpu, GpuOptions, GpuRequest, Tuning};
use wgrad::tune::{Finding, TunedStep, tune};

use crate::args::{self, PrecisionArgs};
use crate::bench::network;
use crate::output::Output;
use crate::table::{Table, seconds};
use crate::train::device_entries;
use crate::{Failure, Result};

/// What `wgrad train mnist` trains, before those that `wgrad bench` measures.
const USUAL: &str = "784-128-10@128";

const EXAMPLES: &str = "\
Examples:
  wgrad tune
  wgrad tune --adapter llvmpipe --network 784-512-10@64 --replicas 1,16
  wgrad tune --precision f16
  wgrad tune --show
  wgrad tune --forget

Networks are written widths@batch. Each variant of a kernel is verified first,
which takes a while and is recorded; one that exceeds its bounds is excluded.
Commands with a device then use the fastest variant for each tuned shape and
report it; --kernels default disables this. After a run on a real GPU,
`wgrad train` spends under a second on finding faster variants with
bit-identical results, unless --kernels default is given; tuned shapes stay.

JSON events: device, excluded (a variant out of bounds), step, saved; shape
with --show; forgotten.";

/// Find and record the fastest variant of each kernel on an adapter.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct TuneArgs {
    /// Tune this adapter, part of its name or its number as in `wgrad adapters` [default: the best real GPU].
    #[arg(long, value_name = "NAME|INDEX", value_parser = NonEmptyStringValueParser::new())]
    adapter: Option<String>,
    /// Networks to tune for [default: five common ones; on a software adapter the smallest].
    #[arg(long, value_name = "WIDTHS@BATCH,...", value_delimiter = ',', value_parser = network)]
    network: Vec<Network>,
    /// Numbers of replicas of each network.
    #[arg(long, value_name = "R,...", value_delimiter = ',', default_value = "1", value_parser = args::replicas)]
    replicas: Vec<usize>,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Approximate time for all measurements, in seconds; every variant runs at least twice.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = args::duration, allow_hyphen_values = true)]
    seconds: f64,
    /// Print the record without measuring.
    #[arg(long, conflicts_with = "forget")]
    show: bool,
    /// Delete the record of this adapter and driver.
    #[arg(long)]
    forget: bool,
}

#[derive(Serialize)]
struct Place<'a> {
    /// The file, if there is one.
    path: Option<&'a str>,
}

#[derive(Serialize)]
struct Excluded<'a> {
    kernel: &'a str,
    variant: &'a str,
    details: &'a [String],
}

#[derive(Serialize)]
struct Shape<'a> {
    shape: &'a str,
    variant: &'a str,
}

pub fn run(args: &TuneArgs, output: &Output) -> Result<()> {
    let directory = cache_directory().ok_or_else(|| {
        Failure::Verdict("the system names no directory for caches; set XDG_CACHE_HOME to one".to_owned())
    })?;
    let request = args.adapter.clone().map_or(GpuRequest::Best, GpuRequest::Named);
    let f16 = args.precision.precision == Precision::F16;
    let options = GpuOptions { request, f16, ..GpuOptions::default() };
    let gpu = Gpu::request_blocking(&options).map_err(args::gpu_only)?;
    if args.forget {
        return forget(&directory, &gpu, output);
    }
    if args.show {
        return show(&directory, &gpu, output);
    }
    probe(&directory)?;
    let info = gpu.info();
    output.event("device", &info);
    let mut list = Table::list();
    device_entries(&mut list, &info);
    output.text(&format!("{list}\n"));
    let mut tuning = match Tuning::load(&directory, &gpu) {
        Ok(known) => known.unwrap_or_else(|| Tuning::new(&gpu)),
        Err(error) => {
            output.note(&format!("{error}; it is written anew"));
            Tuning::new(&gpu)
        }
    };
    let steps = args.measure(&gpu, &mut tuning, output)?;
    output.text(&table(&steps).to_string());
    let path = tuning.save(&directory, &gpu)?.display().to_string();
    output.event("saved", &Place { path: Some(&path) });
    output.text(&format!("\nsaved in {path}; training uses these variants unless given --kernels default"));
    Ok(())
}

/// Fails before measuring if the record cannot be written.
fn probe(directory: &Path) -> Result<()> {
    let probed = std::fs::create_dir_all(directory).and_then(|()| check_writable(directory));
    probed.map_err(|e| {
        let way_out = "set XDG_CACHE_HOME to a directory that can be written to";
        Failure::Verdict(format!("{}: what is measured cannot be kept there: {e}; {way_out}", directory.display()))
    })
}

impl TuneArgs {
    fn measure(&self, gpu: &Gpu, tuning: &mut Tuning, output: &Output) -> Result<Vec<TunedStep>> {
        let each = |network: Network| self.replicas.iter().map(move |replicas| (network.clone(), *replicas));
        let networks: Vec<_> = self.networks(gpu)?.into_iter().flat_map(each).collect();
        let mut steps = Vec::new();
        tune(gpu, tuning, &networks, Duration::from_secs_f64(self.seconds), &mut |finding| match finding {
            Finding::Verifying(kernel, precision) => {
                output.note(&format!("verifying the variants of {kernel}, {precision}"));
            }
            Finding::Verified(row) if row.passed() => {}
            Finding::Verified(row) => {
                let (kernel, variant, details) = (row.kernel.as_str(), row.variant.as_str(), &row.details[..]);
                output.event("excluded", &Excluded { kernel, variant, details });
                output.text(&format!("{kernel} {variant} misses its bounds and is left out: {}", details.join("; ")));
            }
            Finding::Tuned(step) => {
                output.event("step", step);
                steps.push(step.clone());
            }
        })?;
        Ok(steps)
    }

    fn networks(&self, gpu: &Gpu) -> Result<Vec<Network>> {
        let more = if gpu.is_software() { &[][..] } else { &NETWORKS };
        let usual = || [USUAL].iter().chain(more).map(|text| text.parse()).collect::<wgrad::Result<Vec<Network>>>();
        let networks = if self.network.is_empty() { usual()? } else { self.network.clone() };
        Ok(networks.into_iter().map(|network| network.with_precision(self.precision.precision)).collect())
    }
}

fn table(steps: &[TunedStep]) -> Table {
    let mut table = Table::new(&["network", ">R", "step", "variants, fastest first", "default", "chosen"]);
    for step in steps {
        let mut times: Vec<_> = step.candidates.iter().collect();
        times.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let times: Vec<_> = times.iter().map(|own| format!("{} {}", own.variant, seconds(own.seconds))).collect();
        let names = [step.network.clone(), step.replicas.to_string(), step.step.clone(), times.join(", ")];
        table.row(names.into_iter().chain([&step.default, &step.chosen].map(ToString::to_string)));
    }
    table
}

fn show(directory: &Path, gpu: &Gpu, output: &Output) -> Result<()> {
    let Some(tuning) = Tuning::load(directory, gpu)? else {
        output.text("nothing is tuned on this adapter with this driver");
        return Ok(());
    };
    let mut table = Table::new(&["shape", "variant"]);
    for (shape, variant) in tuning.chosen() {
        output.event("shape", &Shape { shape, variant });
        table.row([shape.to_owned(), variant.to_owned()]);
    }
    output.text(&format!("{table}\n\nfrom {}", Tuning::path(directory, gpu).display()));
    Ok(())
}

fn forget(directory: &Path, gpu: &Gpu, output: &Output) -> Result<()> {
    let path = Tuning::forget(directory, gpu)?.map(|path| path.display().to_string());
    output.event("forgotten", &Place { path: path.as_deref() });
    output.text(&path.map_or("there was nothing to forget".to_owned(), |path| format!("deleted {path}")));
    Ok(())
}
