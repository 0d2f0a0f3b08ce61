//! `wgrad predict`

use std::path::PathBuf;

use clap::Args;
use ndarray::Array2;
use serde::Serialize;
use wgrad::data::Preprocessing;
use wgrad::{Error, Loss, ModelFile, Predictor};

use crate::Result;
use crate::args::{DeviceArgs, announce, kernel_line};
use crate::data::{RowFormat, rows, scaled_otherwise};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  wgrad predict runs/1/model.safetensors t10k-images-idx3-ubyte.gz
  wgrad predict runs/1/model.safetensors rows.npy --json
  wgrad predict runs/2/model.safetensors flowers.csv
  wgrad predict runs/3/model.safetensors digits.npz --x images
  zcat flowers.csv.gz | wgrad predict runs/2/model.safetensors -

Rows are preprocessed as in training, as the model file records. Columns of a
table with a header are found by name, and extra columns are ignored. Without
preprocessing, bytes (IDX images, NPY of dtype u1) are scaled to [0, 1], and
numbers are used as they are.

Prints CSV with a header. JSON event: prediction.";

/// Predict the rows of an IDX, NPY, NPZ or CSV file with a saved model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct PredictArgs {
    /// A model that `wgrad train --out` saved.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// IDX images, an NPY array, an NPZ file or a CSV file, gzipped or not, or - for standard input. One row per sample.
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// The array of rows in an NPZ file [default: x_test, else x].
    #[arg(long, value_name = "NAME")]
    x: Option<String>,
    #[command(flatten)]
    format: RowFormat,
    #[command(flatten, next_help_heading = "Device")]
    device: DeviceArgs,
}

/// A classifier's row.
#[derive(Serialize)]
struct ClassFields<'a> {
    row: usize,
    class: usize,
    /// The class's name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    probabilities: &'a [f32],
}

/// A row of a model whose outputs are not probabilities, by its loss.
#[derive(Serialize)]
struct OutputFields<'a> {
    row: usize,
    class: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    outputs: &'a [f32],
}

/// A row of a regression, in the targets' own units.
#[derive(Serialize)]
struct ValueFields<'a> {
    row: usize,
    values: &'a [f32],
}

pub fn run(args: &PredictArgs, output: &Output) -> Result<()> {
    let file = ModelFile::load(&args.model)?;
    let rows = rows(&args.input, &args.format, args.x.as_deref(), file.preprocessing.as_ref())?;
    let (inputs, loss) = (file.model.inputs, file.spec.loss);
    if rows.inputs() != inputs {
        let reason = format!("its rows have {} numbers, but the model takes {inputs}", rows.inputs());
        return Err(Error::data(&args.input, reason).into());
    }
    let note = scaled_otherwise(&file, &rows);
    let device = args.device.open(file.spec.precision)?;
    let predictor = Predictor::new(&file, &device)?;
    let mut predictions = predictor.predict(&rows)?;
    if let Some(row) = predictions.outer_iter().position(|row| row.iter().any(|value| !value.is_finite())) {
        let reason = format!("its output for row {row} is not finite: the model has diverged, or the row is too large");
        return Err(Error::model(&args.model, reason).into());
    }
    announce(&device, output);
    note.iter().for_each(|note| output.note(note));
    // Rows have no place for it, and the defaults go without saying.
    let kernels = predictor.kernels();
    if let Some(line) = kernel_line(&kernels).filter(|_| kernels.iter().any(|kernel| kernel.tuned)) {
        output.note(&format!("kernels: {line}"));
    }
    let known = predictor.preprocessing();
    known.restore(&mut predictions);
    match known.is_regression() {
        true => print_values(known, &predictions, output),
        false => print_classes(known, &predictions, loss, output),
    }
    Ok(())
}

fn print_values(known: &Preprocessing, predictions: &Array2<f32>, output: &Output) {
    let names = known.targets.iter().map(|target| cell(&target.source.name));
    output.text(&std::iter::once("row".to_owned()).chain(names).collect::<Vec<_>>().join(","));
    for (row, values) in predictions.outer_iter().enumerate() {
        let values = values.to_vec();
        // As many digits as the number has: targets may be of any size.
        let cells = values.iter().map(f32::to_string);
        output.text(&std::iter::once(row.to_string()).chain(cells).collect::<Vec<_>>().join(","));
        output.event("prediction", &ValueFields { row, values: &values });
    }
}

fn print_classes(known: &Preprocessing, predictions: &Array2<f32>, loss: Loss, output: &Output) {
    let probable = loss.is_probable();
    // A single output is about the second of two classes.
    let first = if predictions.ncols() == 1 && known.classes.len() == 2 { 1 } else { 0 };
    let named = known.classes.iter().zip(0..).any(|(name, class): (&String, usize)| *name != class.to_string());
    let letter = if probable { 'p' } else { 'o' };
    let title = |column: usize| match named {
        true => cell(&format!("{letter}_{}", known.class_name(column + first))),
        false => format!("{letter}{column}"),
    };
    output.text(&format!("row,class,{}", (0..predictions.ncols()).map(title).collect::<Vec<_>>().join(",")));
    for (row, values) in predictions.outer_iter().enumerate() {
        let values = values.to_vec();
        let class = loss.predicted_class(&values);
        let name = known.classes.get(class).map(String::as_str);
        let text: Vec<String> = values.iter().map(|value| format!("{value:.6}")).collect();
        output.text(&format!("{row},{},{}", cell(&known.class_name(class)), text.join(",")));
        match probable {
            true => output.event("prediction", &ClassFields { row, class, name, probabilities: &values }),
            false => output.event("prediction", &OutputFields { row, class, name, outputs: &values }),
        }
    }
}

/// A cell of a comma-separated line: in quotes where it has to be (RFC 4180).
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
