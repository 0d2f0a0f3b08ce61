//! The `wgrad` command: one file for each subcommand, and what they share.

mod adapters;
mod args;
mod bench;
mod bench_report;
mod config;
mod data;
mod eval;
mod export;
mod failure;
mod import;
mod interrupt;
mod metrics;
mod output;
mod predict;
mod progress;
mod recipe;
mod run_directory;
mod run_lock;
mod table;
mod train;
mod tune;
mod verify;
mod words;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use config::Settings;
use failure::{Failure, one_line};
use output::Output;

/// Trains multilayer perceptrons on any Vulkan, Metal or DX12 GPU, and verifies every kernel against a CPU reference.
#[derive(Parser)]
#[command(name = "wgrad", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// Print results as JSON, one object per line on stdout.
    #[arg(long, global = true, display_order = 900)]
    json: bool,
    /// Print only results and errors: no progress, no notes on stderr.
    #[arg(long, short, global = true, display_order = 901)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wgrad train mnist                 train the default network on the best device
  wgrad train mnist --out runs/1    and save the model
  wgrad eval runs/1/model.safetensors mnist
  wgrad verify                      verify every kernel on this machine's GPU

Exit status: 0 success, 1 failure, 2 usage error, 130 Ctrl-C.";

#[derive(Subcommand)]
enum Command {
    Train(Box<train::TrainArgs>),
    Eval(eval::EvalArgs),
    Predict(predict::PredictArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Verify(verify::VerifyArgs),
    Adapters(adapters::AdaptersArgs),
    Bench(bench::BenchArgs),
    Tune(tune::TuneArgs),
}

fn main() -> ExitCode {
    let started = Instant::now();
    quiet_mesa();
    let command = Cli::command();
    let line: Vec<_> = std::env::args_os().collect();
    let matches = match config::parse(&command, &line) {
        Ok(matches) => matches,
        Err(failure) => return failed(&failure),
    };
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return failure::of_clap(&error, &line),
    };
    let output = Output::new(cli.json, cli.quiet);
    let done = match &cli.command {
        Command::Train(args) => train::run(args, Settings::of(&command, &matches), &output, started),
        Command::Eval(args) => eval::run(args, &output),
        Command::Predict(args) => predict::run(args, &output),
        Command::Export(args) => export::run(args, &output),
        Command::Import(args) => import::run(args, &output),
        Command::Verify(args) => verify::run(args, &output, started),
        Command::Adapters(_) => adapters::run(&output),
        Command::Bench(args) => bench::run(args, &output),
        Command::Tune(args) => tune::run(args, &output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Not an error, but what to do next.
        Err(failure @ Failure::Interrupted(_)) => {
            output.note(&failure.to_string());
            failure.status()
        }
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    output::complain(&one_line(&failure.to_string()));
    failure.status()
}

/// Keeps Mesa's layer that sorts adapters from writing to stderr that it finds no Wayland display, as it does on servers
/// and in containers. wgrad chooses among all adapters itself.
fn quiet_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the first thing that the program does, and there is no other thread yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

type Result<T, E = Failure> = std::result::Result<T, E>;
