//! `wgrad import`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wgrad::data::Task;
use wgrad::pytorch::{self, Import};
use wgrad::{Activation, Loss, ModelFile, Norm};

use crate::data::TaskName;
use crate::output::Output;
use crate::table::Table;
use crate::{Failure, Result, args};

const EXAMPLES: &str = "\
Examples:
  wgrad import torch.safetensors --loss ce -o model.safetensors
  wgrad import torch.safetensors --loss bce --names no,yes -o model.safetensors
  wgrad import torch.safetensors --loss mse --activation tanh -o model.safetensors
  wgrad import torch.safetensors --loss ce --order fc1,bn1,head -o model.safetensors

In Python: safetensors.torch.save_file(model.state_dict(), \"torch.safetensors\").
Widths and norms follow from the tensors' shapes: *.weight (O, I) and *.bias (O) of
nn.Linear; *.weight, *.bias, *.running_mean and *.running_var (O) of
nn.BatchNorm1d, or without the running ones of nn.LayerNorm. Modules count in the
order of their names (net.2 before net.10). Norms must stand between a dense layer
and its activation. Flags supply what the tensors do not tell.

The model works like one that wgrad trained: `wgrad predict`, `eval`, `export`,
`train --from`. JSON event: import.";

/// Import a PyTorch module's tensors, saved as safetensors.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// A state dict: dense layers, each optionally followed by a norm.
    #[arg(value_name = "FILE.safetensors")]
    file: PathBuf,
    /// The model file to write.
    #[arg(long, short, value_name = "MODEL")]
    out: PathBuf,
    #[arg(long, value_name = "NAME", value_parser = args::loss, help = args::import_loss_help())]
    loss: Loss,
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = args::activation,
          help = args::activation_help())]
    activation: Activation,
    /// Activation of the output layer; linear if the loss takes logits.
    #[arg(long, value_name = "NAME", default_value = "linear", value_parser = args::any_activation)]
    output_activation: Activation,
    /// Meaning of the outputs [default: regression for mse, mae and huber, else classification].
    #[arg(long, value_enum, value_name = "classification|regression", hide_possible_values = true)]
    task: Option<TaskName>,
    /// Names of the classes or regression targets [default: by number].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', allow_hyphen_values = true)]
    names: Vec<String>,
    /// Epsilon of the module's norms.
    #[arg(long, value_name = "EPS", default_value_t = Norm::BATCH.epsilon(), value_parser = args::positive,
          allow_hyphen_values = true)]
    norm_epsilon: f32,
    /// Add the previous hidden layer's outputs to each hidden layer's, where both have the same width.
    #[arg(long)]
    residual: bool,
    /// Dropout of the hidden layers, for further training.
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = args::rate::<f32>, allow_hyphen_values = true)]
    dropout: f32,
    /// The modules with tensors, first to last [default: sorted by name, numbers by value].
    #[arg(long, value_name = "MODULES", value_delimiter = ',')]
    order: Vec<String>,
}

#[derive(Serialize)]
struct ImportFields<'a> {
    file: String,
    model: String,
    architecture: &'a str,
    parameters: usize,
    norms: &'a [&'a str],
    activation: Activation,
    output_activation: Activation,
    loss: Loss,
    task: Task,
    /// Of the classes or values; empty: by number.
    names: &'a [&'a str],
    notes: &'a [String],
}

pub fn run(args: &ImportArgs, output: &Output) -> Result<()> {
    if args.out.canonicalize().is_ok_and(|out| args.file.canonicalize().is_ok_and(|file| file == out)) {
        let name = args.out.display();
        return Err(Failure::Usage(format!("{name} is the input file; give --out another name")));
    }
    let ImportArgs { activation, output_activation, loss, norm_epsilon, residual, dropout, .. } = *args;
    let (task, names, order) = (args.task.map(Into::into), args.names.clone(), args.order.clone());
    let options = Import { activation, output_activation, loss, norm_epsilon, residual, dropout, task, names, order };
    let imported = pytorch::import(&args.file, &options)?;
    args.check(&imported.file)?;
    imported.file.save(&args.out)?;
    imported.notes.iter().for_each(|note| output.note(note));
    let model = &imported.file.model;
    let norms: Vec<&str> = model.layers.iter().map(|layer| norm_name(layer.norm)).collect();
    let architecture = model.architecture();
    let known = imported.file.preprocessing.clone().unwrap_or_default();
    let names: Vec<&str> = match known.is_regression() {
        true => known.targets.iter().map(|target| target.source.name.as_str()).collect(),
        false => known.classes.iter().map(String::as_str).collect(),
    };
    output.event(
        "import",
        &ImportFields {
            file: args.file.display().to_string(),
            model: args.out.display().to_string(),
            architecture: &architecture,
            parameters: model.parameters(),
            norms: &norms,
            activation,
            output_activation,
            loss,
            task: if known.is_regression() { Task::Regression } else { Task::Classification },
            names: &names,
            notes: &imported.notes,
        },
    );
    let mut list = Table::list();
    list.entry("network", format!("{architecture} ({} parameters)", model.parameters()));
    if norms.iter().any(|norm| *norm != "none") {
        list.entry("norms", norms.join(", "));
    }
    list.entry("activation", format!("{activation}, {output_activation} at the output"));
    list.entry("loss", loss);
    let listed = if names.is_empty() { "by number".to_owned() } else { names.join(", ") };
    list.entry(if known.is_regression() { "values" } else { "classes" }, listed);
    list.entry("saved", args.out.display());
    output.text(&list.to_string());
    Ok(())
}

impl ImportArgs {
    /// Rejects flags that have no effect.
    fn check(&self, file: &ModelFile) -> Result<()> {
        let hidden = &file.model.layers[..file.model.layers.len().saturating_sub(1)];
        let flags = [
            ("--activation", self.activation != Activation::Relu && hidden.is_empty(), "hidden layers"),
            ("--dropout", self.dropout > 0.0 && hidden.is_empty(), "hidden layers"),
            ("--residual", self.residual && hidden.iter().all(|layer| layer.residual.is_none()), "neighbours as wide"),
            (
                "--norm-epsilon",
                self.norm_epsilon != Norm::BATCH.epsilon() && hidden.iter().all(|layer| layer.norm.is_none()),
                "norms",
            ),
        ];
        match flags.iter().find(|(_, idle, _)| *idle) {
            Some((flag, _, lacking)) => {
                let architecture = file.model.architecture();
                Err(Failure::Usage(format!("{flag} has no effect: {architecture} has no {lacking}; leave it out")))
            }
            None => Ok(()),
        }
    }
}

fn norm_name(norm: Option<Norm>) -> &'static str {
    match norm {
        None => "none",
        Some(Norm::Batch { .. }) => "batch",
        Some(Norm::Layer { .. }) => "layer",
    }
}
