//! `wgrad export`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use wgrad::onnx::{self, Port, Rows};
use wgrad::pytorch::StateDict;
use wgrad::{Activation, Loss, ModelFile};

use crate::output::Output;
use crate::table::{Table, bytes};
use crate::{Failure, Result};

const EXAMPLES: &str = "\
Examples:
  wgrad export runs/1/model.safetensors mnist.onnx
  wgrad export runs/1/model.safetensors mnist.onnx --rows numbers
  wgrad export runs/1/model.safetensors mnist-torch.safetensors

The file's extension selects the format.

.onnx: from raw rows to the outputs of `wgrad predict`, opset 20, for onnxruntime
and others. Images and arrays are one input `rows`. Columns of numbers
are one input `rows` of doubles, in the order in which the model reads them, NaN
where a value is missing; if a column holds categories, each column is an input
(N, 1) of its own, text for categories. Outputs: `probabilities` (or `outputs`)
and `class`, or `values` of a regression. An unknown category is an error.

.safetensors: a plain state dict for PyTorch, named as in an nn.Sequential of, for
each layer in turn, nn.Linear, its norm, its activation (none for linear) and
nn.Dropout, where it has them; the modules count from 0. The Python that loads it
is printed. It returns the last layer's outputs (logits, or standardized values)
for rows that are already preprocessed.

JSON event: export, with inputs and outputs, or modules and tensors.";

/// Export a saved model as ONNX or as a PyTorch state dict.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// A model that `wgrad train --out` saved.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The file to write, ending in .onnx or .safetensors.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Input type of an ONNX model without categories: bytes, such as pixels, or numbers [default: what the model was
    /// trained on].
    #[arg(long, value_enum, value_name = "bytes|numbers", hide_possible_values = true)]
    rows: Option<RowsName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RowsName {
    Bytes,
    Numbers,
}

#[derive(Serialize)]
struct OnnxFields<'a> {
    model: String,
    file: String,
    format: &'a str,
    bytes: usize,
    inputs: Vec<PortFields<'a>>,
    outputs: Vec<PortFields<'a>>,
}

#[derive(Serialize)]
struct PortFields<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    element: &'a str,
    /// Numbers a row; null where the shape is (N).
    width: Option<usize>,
    description: &'a str,
}

#[derive(Serialize)]
struct StateDictFields<'a> {
    model: String,
    file: String,
    format: &'a str,
    bytes: usize,
    modules: &'a [String],
    tensors: &'a [String],
}

pub fn run(args: &ExportArgs, output: &Output) -> Result<()> {
    let ending = args.file.extension().unwrap_or_default().to_ascii_lowercase();
    let onnx = ending == "onnx";
    if !onnx && ending != "safetensors" {
        let name = args.file.display();
        return Err(Failure::Usage(format!("{name}: the name must end in .onnx, or in .safetensors for PyTorch")));
    }
    if !onnx && args.rows.is_some() {
        return Err(Failure::Usage("--rows is for ONNX; a state dict does not describe its input".to_owned()));
    }
    let file = ModelFile::load(&args.model)?;
    if onnx { write_onnx(args, &file, output) } else { write_state_dict(args, &file, output) }
}

fn write_onnx(args: &ExportArgs, file: &ModelFile, output: &Output) -> Result<()> {
    let rows = args.rows.map(|rows| match rows {
        RowsName::Bytes => Rows::Bytes,
        RowsName::Numbers => Rows::Numbers,
    });
    let model = onnx::Model::new(file, rows)?;
    refuse_itself(args)?;
    model.save(&args.file)?;
    output.event(
        "export",
        &OnnxFields {
            model: args.model.display().to_string(),
            file: args.file.display().to_string(),
            format: "onnx",
            bytes: model.bytes.len(),
            inputs: fields(&model.inputs),
            outputs: fields(&model.outputs),
        },
    );
    let mut list = Table::list();
    list.entry("saved", format!("{} ({})", args.file.display(), bytes(model.bytes.len() as u64)));
    for (kind, ports) in [("input", &model.inputs), ("output", &model.outputs)] {
        for port in ports {
            list.entry(kind, format!("{}: {port}, {}", port.name, port.what));
        }
    }
    output.text(&list.to_string());
    Ok(())
}

fn fields(ports: &[Port]) -> Vec<PortFields<'_>> {
    let fields = |port| {
        let Port { name, element, width, what }: &Port = port;
        PortFields { name, element, width: *width, description: what }
    };
    ports.iter().map(fields).collect()
}

fn write_state_dict(args: &ExportArgs, file: &ModelFile, output: &Output) -> Result<()> {
    let state = StateDict::new(file)?;
    refuse_itself(args)?;
    state.save(&args.file)?;
    output.event(
        "export",
        &StateDictFields {
            model: args.model.display().to_string(),
            file: args.file.display().to_string(),
            format: "safetensors",
            bytes: state.bytes.len(),
            modules: &state.modules,
            tensors: &state.tensors,
        },
    );
    output.text(&state.python(&args.file));
    output.note(&not_in_it(file));
    Ok(())
}

/// What the exported module leaves out.
fn not_in_it(file: &ModelFile) -> String {
    let known = file.preprocessing.clone().unwrap_or_default();
    let rows = match () {
        () if !known.columns.is_empty() || known.normalize => "rows have to be encoded and scaled as in training",
        () if file.facts.bytes => "bytes have to be scaled as in training",
        () => "",
    };
    let applied = file.model.layers.last().is_some_and(|layer| layer.activation != Activation::Linear);
    let outputs = match file.spec.loss {
        _ if applied => "",
        Loss::SoftmaxCrossEntropy | Loss::KullbackLeibler => "outputs are logits: softmax makes probabilities of them",
        Loss::BinaryCrossEntropy => "outputs are logits: sigmoid makes probabilities of them",
        _ if known.targets.iter().any(|target| (target.shift, target.scale) != (0.0, 1.0)) => {
            "outputs are standardized"
        }
        _ => "",
    };
    let parts: Vec<_> = [rows, outputs].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!("not in the file: {}; ONNX has it", parts.join("; ")) }
}

/// The model is never overwritten by its translation.
fn refuse_itself(args: &ExportArgs) -> Result<()> {
    let same = args.model.canonicalize().is_ok_and(|model| args.file.canonicalize().is_ok_and(|file| file == model));
    match same {
        true => Err(Failure::Usage(format!("{} is the model itself; give another name", args.file.display()))),
        false => Ok(()),
    }
}
