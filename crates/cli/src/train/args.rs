//! The arguments of `wgrad train`, in groups. Every long flag is a key of configuration files too (`crate::config`).

use std::path::PathBuf;

use clap::Args;
use wgrad::run::{DataSpec, FitSpec, RunSpec, TrainingSpec};

use super::going_on::{KeepingArgs, StoppingArgs};
use super::input::InputArgs;
use super::length::LengthArgs;
use super::loss::LossArgs;
use super::model::ModelArgs;
use super::optimizer::OptimizerArgs;
use crate::Result;
use crate::args::{DeviceArgs, PrecisionArgs};
use crate::config::Settings;
use crate::data::TrainDataArgs;
use crate::recipe::Recipe;

const EXAMPLES: &str = "\
Examples:
  wgrad train mnist
  wgrad train mnist --hidden 256,128 --epochs 20 --out runs/wide
  wgrad train mnist --optimizer nesterov --lr 0.05 --weight-decay 1e-4
  wgrad train mnist --optimizer adamw --weight-decay 0.05 --no-decay-biases
  wgrad train mnist --hidden 512,512 --norm batch --dropout 0.2
  wgrad train mnist --hidden none --loss mse --limit 10000
  wgrad train mnist --recipe best
  wgrad train mnist --augment shift=2,rotate=10,scale=0.1 --noise 0.05
  wgrad train mnist --label-smoothing 0.1 --class-weights balanced
  wgrad train mnist --from runs/wide/model.safetensors --hidden 256,128
  wgrad train mnist --adapter llvmpipe --steps 100 --log-steps --json
  wgrad train mnist --hidden 2048,2048 --batch 1024 --precision f16
  wgrad train --config runs/wide/config.toml --seed 1
  wgrad train --resume runs/wide
  wgrad train mnist --epochs 100 --patience 5 --restore-best
  wgrad train mnist --print-plan
  wgrad train mnist --hidden 4096,4096 --device gpu --dry-run
  wgrad train iris --hidden 4 --epochs 100 --batch 10
  wgrad train xor --hidden 2 --loss bce --lr 0.01 --epochs 1000 --replicas 100
  wgrad train people.csv --target income --categorical job,town --missing mean
  wgrad train houses.csv --target price --drop id --validation 0.1
  wgrad train digits.npz --hidden 256,128
  wgrad train make-moons:samples=500,noise=0.2 --hidden 16

With --out, DIR holds model.safetensors (PyTorch's names and shapes), for further
replicas model.1.safetensors and so on; best.safetensors, the best epoch of the
first replica; history.csv and history.jsonl, one line per epoch; config.toml, all
arguments under the flags' names, for --config; and checkpoints, from which
--resume continues after Ctrl-C, a crash or kill -9, with bit-identical results.

JSON events: step (with --log-steps), epoch, summary; plan (with --print-plan);
memory (with --dry-run).";

/// Train a multilayer perceptron on a dataset.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    #[command(flatten)]
    pub data: TrainDataArgs,
    /// Start from a named set of settings; other arguments override them. `classic`: 512,512 hidden units,
    /// dropout 0.2, RMSprop 0.001, batch 128, 20 epochs; `best`: for mnist and fashion-mnist.
    #[arg(long, value_enum, value_name = "classic|best", hide_possible_values = true)]
    pub recipe: Option<Recipe>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub loss: LossArgs,
    #[command(flatten)]
    pub optimizer: OptimizerArgs,
    #[command(flatten)]
    pub length: LengthArgs,
    #[command(flatten, next_help_heading = "Device")]
    pub device: DeviceArgs,
    #[command(flatten, next_help_heading = "Device")]
    pub precision: PrecisionArgs,
    #[command(flatten)]
    pub stopping: StoppingArgs,
    #[command(flatten)]
    pub keeping: KeepingArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is reported, and where arguments come from.
#[derive(Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Read arguments from this TOML file, whose keys are the flags' names; the command line overrides them.
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Print the steps and tensors of a training step, and exit.
    #[arg(long)]
    pub print_plan: bool,
    /// Print how much memory the run needs and whether it fits, and exit.
    #[arg(long)]
    pub dry_run: bool,
    /// Report the loss of every step.
    #[arg(long)]
    pub log_steps: bool,
}

impl TrainArgs {
    /// The run that they ask for.
    pub fn spec(&self) -> Result<RunSpec> {
        let training = TrainingSpec { precision: self.precision.precision, ..TrainingSpec::new(self.optimizer.spec()) };
        let training = TrainingSpec { frozen: self.model.freeze, ..self.optimizer.apply(training) };
        let training = self.length.apply(self.input.apply(self.loss.apply(training)));
        let directory = self.keeping.directory();
        let fit = FitSpec {
            epochs: self.length.epochs,
            steps: self.length.steps,
            stopping: self.stopping.rule()?,
            checkpoints: directory.map(|(path, _)| self.keeping.checkpoints(path)),
        };
        let data = DataSpec { limit: self.length.limit, ..self.data.spec()? };
        Ok(RunSpec { data, model: self.model.spec(), training, fit })
    }

    /// Records the resolved defaults.
    pub fn resolve(&self, settings: &mut Settings, spec: &RunSpec) {
        let RunSpec { training, fit, .. } = spec;
        training.loss.iter().for_each(|loss| settings.resolve("loss", loss.name()));
        settings.resolve("lr", training.optimizer.learning_rate);
        settings.resolve("momentum", training.optimizer.momentum);
        settings.resolve("weight-decay", training.optimizer.weight_decay);
        training.batch.iter().for_each(|batch| settings.resolve("batch", batch));
        fit.epochs.iter().for_each(|epochs| settings.resolve("epochs", epochs));
    }
}
