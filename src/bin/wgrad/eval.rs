//! `wgrad eval`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use wgrad::executor::{DeviceInfo, KernelChoice};
use wgrad::plan::ProgramId;
use wgrad::{Error, ModelFile, Trainer};

use crate::Result;
use crate::args::{self, DatasetArgs, DeviceArgs, announce, kernel_line};
use crate::metrics::{MetricFields, MetricTables};
use crate::output::Output;
use crate::table::Table;
use crate::train::device_entries;

const EXAMPLES: &str = "\
Examples:
  wgrad eval runs/1/model.safetensors mnist
  wgrad eval runs/1/model.safetensors mnist --split train --json
  wgrad eval runs/1/model.safetensors mnist --top-k 3

JSON event: evaluation, with confusion[true class][predicted class], top_k, macro
and micro averages, classes (precision, recall, f1 and support of each) and
roc_auc, or, of values as targets, mae, rmse, r2 and outputs (of each).";

/// Judge a saved model on a dataset: loss, accuracy, precision and recall, confusion matrix; or errors of values.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct EvalArgs {
    /// A model that `wgrad train --out` saved.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    data: DatasetArgs,
    /// Which part of the dataset: train or test.
    #[arg(long, value_enum, value_name = "PART", default_value_t = Split::Test, hide_possible_values = true)]
    split: Split,
    /// Count an answer among the K most likely as right, too [default: 5, with more than 5 classes].
    #[arg(long, value_name = "K", value_parser = args::count::<usize>, allow_hyphen_values = true)]
    top_k: Option<usize>,
    #[command(flatten, next_help_heading = "Device")]
    device: DeviceArgs,
}

/// A part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    Train,
    Test,
}

#[derive(Serialize)]
struct EvaluationFields<'a> {
    model: String,
    dataset: &'a str,
    split: Split,
    samples: usize,
    loss: f64,
    #[serde(flatten)]
    metrics: MetricFields<'a>,
    /// Of the evaluation's steps, in order; none on the CPU.
    kernels: &'a [KernelChoice],
    #[serde(flatten)]
    device: &'a DeviceInfo,
    note: Option<&'a str>,
}

pub fn run(args: &EvalArgs, output: &Output) -> Result<()> {
    let file = ModelFile::load(&args.model)?;
    let device = args.device.open()?;
    let parts = args.data.load()?;
    let data = match args.split {
        Split::Train => parts.train,
        Split::Test => parts.test,
    };
    let mut trainer = Trainer::from_file(file, device.clone())?;
    let evaluation = trainer.evaluate(&data)?;
    if !evaluation.loss.is_finite() {
        let reason = format!("its loss on {} is {}: the model has diverged", data.name(), evaluation.loss);
        return Err(Error::Model { path: args.model.clone(), reason }.into());
    }
    announce(&device, output);
    let kernels = trainer.kernels(ProgramId::Evaluate);
    let (info, loss) = (trainer.info(), evaluation.loss);
    output.event(
        "evaluation",
        &EvaluationFields {
            model: args.model.display().to_string(),
            dataset: data.name(),
            split: args.split,
            samples: data.len(),
            loss,
            metrics: MetricFields::new(&evaluation, args.top_k),
            kernels: &kernels,
            device: &info,
            note: device.note(),
        },
    );
    let mut list = Table::list();
    let tables = MetricTables::new(&evaluation, args.top_k, &mut list);
    list.entry("loss", format!("{loss:.4}"));
    list.entry("samples", data.len());
    if let Some(line) = kernel_line(&kernels) {
        list.entry("kernels", line);
    }
    device_entries(&mut list, &info);
    output.text(&list.to_string());
    tables.print(output);
    Ok(())
}
