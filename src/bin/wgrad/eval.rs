//! `wgrad eval`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::Array2;
use serde::Serialize;
use wgrad::executor::{DeviceInfo, KernelChoice};
use wgrad::plan::ProgramId;
use wgrad::{Error, ModelFile, Trainer};

use crate::Result;
use crate::args::{DatasetArgs, DeviceArgs, announce, kernel_line};
use crate::output::Output;
use crate::table::Table;
use crate::train::device_entries;

const EXAMPLES: &str = "\
Examples:
  wgrad eval runs/1/model.safetensors mnist
  wgrad eval runs/1/model.safetensors mnist --split train --json

JSON event: evaluation, with confusion[true class][predicted class].";

/// Judge a saved model on a dataset: loss, accuracy, confusion matrix.
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
    accuracy: f64,
    /// Rows: true classes; columns: predicted ones.
    confusion: Vec<Vec<u64>>,
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
    let confusion = trainer.confusion(&data)?;
    let (info, wgrad::Evaluation { loss, accuracy, .. }) = (trainer.info(), evaluation);
    output.event(
        "evaluation",
        &EvaluationFields {
            model: args.model.display().to_string(),
            dataset: data.name(),
            split: args.split,
            samples: data.len(),
            loss,
            accuracy,
            confusion: confusion.outer_iter().map(|row| row.to_vec()).collect(),
            kernels: &kernels,
            device: &info,
            note: device.note(),
        },
    );
    let mut list = Table::list();
    list.entry("accuracy", format!("{:.2}%", 100.0 * accuracy));
    list.entry("loss", format!("{loss:.4}"));
    list.entry("samples", data.len());
    if let Some(line) = kernel_line(&kernels) {
        list.entry("kernels", line);
    }
    device_entries(&mut list, &info);
    output.text(&format!("{list}\n\nconfusion matrix: rows are true classes, columns predicted ones"));
    output.text(&matrix(&confusion).to_string());
    Ok(())
}

fn matrix(confusion: &Array2<u64>) -> Table {
    let classes: Vec<String> = (0..confusion.ncols()).map(|class| class.to_string()).collect();
    let numbers = classes.iter().map(|class| format!(">{class}"));
    let titles: Vec<String> = std::iter::once(">".to_owned()).chain(numbers).collect();
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for (class, row) in classes.iter().zip(confusion.outer_iter()) {
        table.row(std::iter::once(class.clone()).chain(row.iter().map(u64::to_string)));
    }
    table
}
