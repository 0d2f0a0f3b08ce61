//! `wgrad train`

use std::io::{IsTerminal, stdout};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use wgrad::executor::{DeviceInfo, KernelChoice};
use wgrad::plan::{Plan, ProgramId};
use wgrad::{
    Callback, Dataset, Device, EpochReport, Error, Fit, History, ModelFile, Progress, ProgressBar, RunInfo, Sequential,
    StepReport, Trainer, epochs,
};

use crate::args::{announce, kernel_line};
use crate::output::Output;
use crate::run_directory::RunDirectory;
use crate::table::{Table, seconds};
use crate::train_args::TrainArgs;
use crate::{Failure, Result};

pub fn run(args: &TrainArgs, output: &Output, started: Instant) -> Result<()> {
    let device = args.device.open()?;
    let data = args.data.load()?;
    let train = args.limited(data.train)?;
    check_batch(args.batch(train.len()), &train)?;
    let mut trainer = trainer(args, &train, &device)?;
    if args.print_plan {
        print_plan(&trainer.plan(&train)?, output);
        return Ok(());
    }
    let directory = args.out.as_deref().map(RunDirectory::prepare).transpose()?;
    let fit = epochs(args.epochs(train.len())).steps(args.steps).validate(&data.test);
    let history = match fit_and_report(&mut trainer, &device, &train, fit, args, output) {
        Ok(history) => history,
        Err(error) => return Err(keep(error, directory.as_ref(), &mut trainer)),
    };
    let mut saved = None;
    if let Some(directory) = &directory {
        saved = Some(directory.save_model(&mut trainer)?.display().to_string());
        directory.save_history(&history)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    summarize(&Summary::new(&history, seconds, device.note(), saved), output);
    Ok(())
}

/// Before anything is made of it: a batch that no machine can hold is a mistake in the batch.
fn check_batch(batch: usize, data: &Dataset) -> Result<()> {
    if batch <= data.len() {
        return Ok(());
    }
    let (samples, name) = (data.len(), data.name());
    let reason = format!("--batch {batch} is more than the {samples} training samples of {name}; make it at most that");
    Err(Failure::Usage(reason))
}

fn trainer(args: &TrainArgs, data: &Dataset, device: &Device) -> Result<Trainer> {
    let model = args.model(data);
    let weights = args.init.as_deref().map(|path| initial(path, &model)).transpose()?;
    let builder = Trainer::new(model, args.loss(), args.optimizer()).device(device.clone());
    let mut trainer = builder.batch_size(args.batch(data.len())).seed(args.seed).shuffle(!args.no_shuffle).build()?;
    if let Some(file) = weights {
        trainer.set_weights(&file.weights)?;
    }
    Ok(trainer)
}

/// The file of `--init`, whose model must have the widths of this one.
fn initial(path: &Path, model: &Sequential) -> Result<ModelFile> {
    let file = ModelFile::load(path)?;
    if file.model.architecture() == model.architecture() {
        return Ok(file);
    }
    let (had, wanted) = (file.model.architecture(), model.architecture());
    let reason =
        format!("holds a {had} model, but dataset and --hidden make it {wanted}; widths must agree for --init");
    Err(Error::Model { path: path.to_path_buf(), reason }.into())
}

fn fit_and_report(
    trainer: &mut Trainer,
    device: &Device,
    data: &Dataset,
    fit: Fit<'_>,
    args: &TrainArgs,
    output: &Output,
) -> Result<History, Error> {
    // A bar and a line per step would overwrite each other on one terminal.
    let crowded = args.log_steps && stdout().is_terminal();
    let bar = (!output.quiet() && !crowded).then(ProgressBar::stderr);
    trainer.fit(data, fit, &mut Report { output, device, log_steps: args.log_steps, bar })
}

/// After a loss that diverged: the model of the last finite epoch is worth keeping. Any other failure leaves nothing.
fn keep(error: Error, directory: Option<&RunDirectory>, trainer: &mut Trainer) -> Failure {
    let Some(directory) = directory else { return error.into() };
    if let Error::NonFinite { loss, step, epoch, replica, replicas, learning_rate, .. } = error {
        let kept = match directory.save_model(trainer) {
            Ok(path) => Some(path),
            Err(failure) => return failure,
        };
        return Error::NonFinite { loss, step, epoch, replica, replicas, learning_rate, kept }.into();
    }
    directory.abandon();
    error.into()
}

/// Tells the terminal and the JSON reader how training goes.
struct Report<'a> {
    output: &'a Output,
    device: &'a Device,
    log_steps: bool,
    bar: Option<ProgressBar>,
}

#[derive(Serialize)]
struct StepEvent {
    step: u64,
    loss: f32,
}

#[derive(Serialize)]
struct EpochEvent {
    epoch: usize,
    train_loss: f64,
    train_accuracy: f64,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    seconds: f64,
    samples_per_second: f64,
}

impl From<&EpochReport> for EpochEvent {
    fn from(report: &EpochReport) -> Self {
        let EpochReport { epoch, train, test, seconds, samples_per_second } = report;
        Self {
            epoch: *epoch,
            train_loss: train.loss,
            train_accuracy: train.accuracy,
            test_loss: test.as_ref().map(|test| test.loss),
            test_accuracy: test.as_ref().map(|test| test.accuracy),
            seconds: *seconds,
            samples_per_second: *samples_per_second,
        }
    }
}

impl Callback for Report<'_> {
    fn on_start(&mut self, run: &RunInfo) {
        announce(self.device, self.output);
        if let Some(bar) = &mut self.bar {
            let DeviceInfo { device, adapter, .. } = &run.device;
            self.output.note(&format!("{} on {device} ({adapter}), {} samples", run.architecture, run.samples));
            bar.on_start(run);
        }
    }

    fn on_step(&mut self, report: &StepReport) {
        if self.log_steps {
            let StepReport { step, loss, .. } = *report;
            self.output.text(&format!("step {step} loss {loss}"));
            self.output.event("step", &StepEvent { step, loss });
        }
    }

    fn on_progress(&mut self, progress: &Progress) {
        if let Some(bar) = &mut self.bar {
            bar.on_progress(progress);
        }
    }

    fn on_epoch(&mut self, report: &EpochReport) {
        if let Some(bar) = &mut self.bar {
            bar.on_epoch(report);
        }
        self.output.event("epoch", &EpochEvent::from(report));
    }
}

/// What a run came to.
#[derive(Serialize)]
struct Summary<'a> {
    train_loss: f64,
    train_accuracy: f64,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    epochs: usize,
    steps: u64,
    /// Of the whole command, reading the dataset included.
    seconds: f64,
    training_seconds: f64,
    time_to_first_step: f64,
    samples_per_second: f64,
    architecture: &'a str,
    parameters: usize,
    dispatches_per_step: usize,
    /// Of each step, in order; none on the CPU.
    kernels: &'a [KernelChoice],
    #[serde(flatten)]
    device: &'a DeviceInfo,
    /// Why it is this device, where it was not asked for.
    note: Option<&'a str>,
    /// The model's file.
    saved: Option<String>,
}

impl<'a> Summary<'a> {
    fn new(history: &'a History, seconds: f64, note: Option<&'a str>, saved: Option<String>) -> Self {
        let History { run, epochs, steps, training_seconds, time_to_first_step, .. } = history;
        let last = epochs.last();
        let test = last.and_then(|epoch| epoch.test.as_ref());
        let weighted = epochs.iter().map(|epoch| epoch.samples_per_second * epoch.seconds).sum::<f64>();
        Self {
            train_loss: last.map_or(0.0, |epoch| epoch.train.loss),
            train_accuracy: last.map_or(0.0, |epoch| epoch.train.accuracy),
            test_loss: test.map(|test| test.loss),
            test_accuracy: test.map(|test| test.accuracy),
            epochs: epochs.len(),
            steps: *steps,
            seconds,
            training_seconds: *training_seconds,
            time_to_first_step: *time_to_first_step,
            samples_per_second: weighted / training_seconds,
            architecture: &run.architecture,
            parameters: run.parameters,
            dispatches_per_step: run.dispatches_per_step,
            kernels: &run.kernels,
            device: &run.device,
            note,
            saved,
        }
    }
}

fn summarize(summary: &Summary<'_>, output: &Output) {
    output.event("summary", summary);
    let mut list = Table::list();
    if let (Some(loss), Some(accuracy)) = (summary.test_loss, summary.test_accuracy) {
        list.entry("test accuracy", format!("{:.2}%", 100.0 * accuracy));
        list.entry("test loss", format!("{loss:.4}"));
    }
    let rate = format!("{:.0} samples/s", summary.samples_per_second);
    list.entry("training time", format!("{} ({} steps, {rate})", seconds(summary.training_seconds), summary.steps));
    list.entry("total time", seconds(summary.seconds));
    list.entry("time to first step", seconds(summary.time_to_first_step));
    list.entry("network", format!("{} ({} parameters)", summary.architecture, summary.parameters));
    list.entry("dispatches per step", summary.dispatches_per_step);
    if let Some(line) = kernel_line(summary.kernels) {
        list.entry("kernels", line);
    }
    device_entries(&mut list, summary.device);
    if let Some(note) = summary.note {
        list.entry("note", note);
    }
    if let Some(path) = &summary.saved {
        list.entry("saved", path);
    }
    output.text(&list.to_string());
}

/// What ran it, for every report.
pub fn device_entries(list: &mut Table, info: &DeviceInfo) {
    list.entry("device", info.device);
    list.entry("adapter", &info.adapter);
    list.entry("backend", &info.backend);
    if !info.driver.is_empty() {
        list.entry("driver", &info.driver);
    }
}

fn print_plan(plan: &Plan, output: &Output) {
    #[derive(Serialize)]
    struct StepFields<'a> {
        label: &'a str,
        operation: &'a str,
    }
    #[derive(Serialize)]
    struct TensorFields<'a> {
        name: &'a str,
        shape: &'a [usize],
        role: String,
        bytes: u64,
    }
    #[derive(Serialize)]
    struct PlanFields<'a> {
        dispatches_per_step: usize,
        layers: usize,
        bytes: u64,
        steps: Vec<StepFields<'a>>,
        tensors: Vec<TensorFields<'a>>,
    }
    let steps = &plan.program(ProgramId::Train).steps;
    let tensors = plan.tensors.iter().map(|tensor| {
        let (name, shape, role) = (tensor.name.as_str(), &tensor.shape[..], tensor.role.to_string());
        TensorFields { name, shape, role, bytes: tensor.bytes() }
    });
    let fields = PlanFields {
        dispatches_per_step: steps.len(),
        layers: plan.layers.len(),
        bytes: plan.bytes(),
        steps: steps.iter().map(|step| StepFields { label: &step.label, operation: step.operation() }).collect(),
        tensors: tensors.collect(),
    };
    output.event("plan", &fields);
    output.text(plan.to_string().trim_end());
}
