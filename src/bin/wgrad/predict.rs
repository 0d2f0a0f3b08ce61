//! `wgrad predict`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wgrad::data::read_rows;
use wgrad::plan::ProgramId;
use wgrad::{Error, ModelFile, Trainer};

use crate::Result;
use crate::args::{DeviceArgs, announce, kernel_line};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  wgrad predict runs/1/model.safetensors t10k-images-idx3-ubyte.gz
  wgrad predict runs/1/model.safetensors rows.npy --json

Bytes (IDX images, NPY of dtype u1) are scaled as in training, so that pixels
are in [0, 1]; floats (NPY, CSV) are taken as they are.

Prints comma-separated lines with a heading; JSON event: prediction.";

/// Apply a saved model to the rows of an IDX, NPY or CSV file.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct PredictArgs {
    /// A model that `wgrad train --out` saved.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// IDX images (gzipped or not), an NPY array, or a CSV file; one row for each sample.
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    #[command(flatten, next_help_heading = "Device")]
    device: DeviceArgs,
}

/// A classifier's row.
#[derive(Serialize)]
struct ClassFields<'a> {
    row: usize,
    class: usize,
    probabilities: &'a [f32],
}

/// A row of a model whose outputs are no probabilities, by its loss.
#[derive(Serialize)]
struct OutputFields<'a> {
    row: usize,
    class: usize,
    outputs: &'a [f32],
}

pub fn run(args: &PredictArgs, output: &Output) -> Result<()> {
    let file = ModelFile::load(&args.model)?;
    let rows = read_rows(&args.input)?;
    let (inputs, loss) = (file.model.inputs, file.spec.loss);
    if rows.inputs() != inputs {
        let reason = format!("its rows have {} numbers, but the model takes {inputs}", rows.inputs());
        return Err(Error::Data { path: args.input.clone(), reason }.into());
    }
    let device = args.device.open()?;
    let mut trainer = Trainer::from_file(file, device.clone())?;
    let predictions = trainer.predict(rows)?;
    if let Some(row) = predictions.outer_iter().position(|row| row.iter().any(|value| !value.is_finite())) {
        let reason = format!("its output for row {row} is not finite: the model has diverged, or the row is too large");
        return Err(Error::Model { path: args.model.clone(), reason }.into());
    }
    announce(&device, output);
    // Rows have no place for it, and the defaults go without saying.
    let kernels = trainer.kernels(ProgramId::Predict);
    if let Some(line) = kernel_line(&kernels).filter(|_| kernels.iter().any(|kernel| kernel.tuned)) {
        output.note(&format!("kernels: {line}"));
    }
    let letter = if loss.is_probable() { 'p' } else { 'o' };
    let columns = (0..predictions.ncols()).map(|column| format!("{letter}{column}"));
    output.text(&format!("row,class,{}", columns.collect::<Vec<_>>().join(",")));
    for (row, values) in predictions.outer_iter().enumerate() {
        let values = values.to_vec();
        let class = loss.predicted_class(&values);
        let text: Vec<String> = values.iter().map(|value| format!("{value:.6}")).collect();
        output.text(&format!("{row},{class},{}", text.join(",")));
        match loss.is_probable() {
            true => output.event("prediction", &ClassFields { row, class, probabilities: &values }),
            false => output.event("prediction", &OutputFields { row, class, outputs: &values }),
        }
    }
    Ok(())
}
