//! `wgrad eval`

use std::fmt::{Display, Formatter};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use wgrad::data::{Parts, Split as Division};
use wgrad::executor::{DeviceInfo, KernelChoice};
use wgrad::plan::ProgramId;
use wgrad::{Dataset, Error, ModelFile, Trainer, TrainingFacts};

use crate::args::{self, DeviceArgs, announce, kernel_line};
use crate::data::{SamplesArgs, scaled_otherwise};
use crate::metrics::{MetricFields, MetricTables, in_units};
use crate::output::Output;
use crate::table::Table;
use crate::train::device_entries;
use crate::{Failure, Result};

const EXAMPLES: &str = "\
Examples:
  wgrad eval runs/1/model.safetensors mnist
  wgrad eval runs/1/model.safetensors mnist --split train --json
  wgrad eval runs/1/model.safetensors mnist --top-k 3
  wgrad eval runs/2/model.safetensors iris
  wgrad eval runs/3/model.safetensors newer-houses.csv
  wgrad eval imported.safetensors rows.csv --target label

Rows are preprocessed as in training, as the model file records. JSON event:
evaluation, with confusion[true class][predicted class], top_k, macro and micro
averages, classes (name, precision, recall, f1 and support of each) and roc_auc,
or, for a regression, mae, rmse, r2 and outputs (of each) in original units.";

/// Evaluate a saved model on a dataset: loss, accuracy, precision, recall, confusion matrix, or regression errors.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct EvalArgs {
    /// A model that `wgrad train --out` saved.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    data: SamplesArgs,
    /// Part of the dataset: train, validation, test or all [default: test if the dataset has a test part or the model was
    /// trained on it, else all].
    #[arg(long, value_enum, value_name = "PART", hide_possible_values = true)]
    split: Option<Split>,
    /// Also report the share of samples whose class is among the K most likely [default: 5, with more than 5 classes].
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
    Validation,
    Test,
    All,
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
    let device = args.device.open(file.spec.precision)?;
    let facts = file.facts.clone();
    if let Some(k) = args.top_k {
        check_top_k(k, &file)?;
    }
    let (parts, piped) = args.data.load(&file)?;
    let note = scaled_otherwise(&file, parts.train.features());
    let mut trainer = Trainer::from_file(file, device.clone())?;
    let divided = trainer.preprocessing().and_then(|known| known.split);
    let again =
        divided.and_then(|split| divided_again(&parts.train, &split, &facts, piped).map(|again| (split, again)));
    let (split, data) = part(parts, args.split, again, &args.data.dataset)?;
    let evaluation = trainer.evaluate(&data)?;
    if !evaluation.loss.is_finite() {
        let reason = format!("its loss on {} is {}: the model has diverged", data.name(), evaluation.loss);
        return Err(Error::model(&args.model, reason).into());
    }
    announce(&device, output);
    note.iter().for_each(|note| output.note(note));
    let kernels = trainer.kernels(ProgramId::Evaluate);
    let known = trainer.preprocessing().cloned().unwrap_or_default();
    let evaluation = in_units(evaluation, &known);
    let (info, loss) = (trainer.info(), evaluation.loss);
    output.event(
        "evaluation",
        &EvaluationFields {
            model: args.model.display().to_string(),
            dataset: data.name(),
            split,
            samples: data.len(),
            loss,
            metrics: MetricFields::new(&evaluation, args.top_k, &known),
            kernels: &kernels,
            device: &info,
            note: device.note(),
        },
    );
    let mut list = Table::list();
    let tables = MetricTables::new(&evaluation, args.top_k, &known, &mut list);
    list.entry("loss", format!("{loss:.4}"));
    list.entry("samples", format!("{} ({split} part)", data.len()).replace(" (all part)", ""));
    if let Some(line) = kernel_line(&kernels) {
        list.entry("kernels", line);
    }
    device_entries(&mut list, &info);
    output.text(&list.to_string());
    tables.print(output);
    Ok(())
}

/// All answers are among all classes.
fn check_top_k(k: usize, file: &ModelFile) -> Result<()> {
    let values = file.preprocessing.as_ref().is_some_and(|known| known.is_regression());
    let outputs = file.model.outputs();
    match outputs {
        _ if values => {
            Err(Failure::Usage("--top-k is for classes, but the model predicts values; leave it out".to_owned()))
        }
        1 => Err(Failure::Usage(
            "--top-k has no meaning for the two classes of a single output; leave it out".to_owned(),
        )),
        _ if k > outputs => {
            Err(Failure::Usage(format!("--top-k {k} is more than the model's {outputs} classes; leave it out")))
        }
        _ => Ok(()),
    }
}

/// The set divided as in training, if it is the same; other samples may not even be divided so.
fn divided_again(data: &Dataset, split: &Division, facts: &TrainingFacts, piped: bool) -> Option<Parts> {
    let again = data.split(split).ok()?;
    let same = match &facts.samples {
        Some(samples) => samples.begins(&again.train),
        // A model of an earlier version knows the name only, and pipes have none of their own.
        None => !piped && facts.dataset.as_deref() == Some(data.name()),
    };
    same.then_some(again)
}

/// The samples that are asked for, and what they are called. `again` is how the samples were divided in training, and what
/// that makes of these, if they are the same.
fn part(parts: Parts, wanted: Option<Split>, again: Option<(Division, Parts)>, name: &str) -> Result<(Split, Dataset)> {
    let has_test = parts.test.is_some() || again.as_ref().is_some_and(|(split, _)| split.test > 0.0);
    let wanted = wanted.unwrap_or(if has_test { Split::Test } else { Split::All });
    let absent = || Failure::Usage(format!("--split {wanted}: {name} has no such part that this model knows"));
    let Parts { train, validation, test } = parts;
    let (again_train, again_validation, again_test) = match again {
        Some((_, Parts { train, validation, test })) => (Some(train), validation, test),
        None => (None, None, None),
    };
    let data = match wanted {
        Split::All if validation.is_none() && test.is_none() => Some(train),
        Split::All => None,
        Split::Train => Some(again_train.unwrap_or(train)),
        Split::Validation => validation.or(again_validation),
        Split::Test => test.or(again_test),
    };
    Ok((wanted, data.ok_or_else(absent)?))
}

impl Display for Split {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::All => "all",
        })
    }
}
