//! `wgrad train`

mod args;
mod going_on;
mod idle;
mod input;
mod layers;
mod length;
mod loss;
mod memory;
mod model;
mod notes;
mod optimizer;
mod plan;
mod report;
mod schedule;
mod scores;
mod summary;

use std::time::Instant;

use wgrad::data::Parts;
use wgrad::{Dataset, Device, End, Error, Evaluation, History, Sequential, Trainer, TrainerBuilder, epochs};

pub use args::TrainArgs;
pub use report::EpochEvent;
pub use summary::device_entries;

use crate::config::Settings;
use crate::output::Output;
use crate::run_directory::{Beginning, RunDirectory};
use crate::run_lock::RunLock;
use crate::{Failure, Result, interrupt};
use memory::Network;
use report::Report;
use scores::Scored;
use summary::{Summary, summarize};

pub fn run(args: &TrainArgs, mut settings: Settings, output: &Output, started: Instant) -> Result<()> {
    args.keeping.check()?;
    args.model.check()?;
    args.optimizer.check()?;
    if let Some(recipe) = args.recipe {
        output.note(&format!("recipe {}: {}", recipe.name(), recipe.flags(&args.data.dataset)?));
    }
    let device = args.device.open(args.precision.precision)?;
    let data = args.data.load()?;
    let notes = notes::notes(args, &data)?;
    let (validation, test) = (data.validation, data.test);
    let train = args.length.limited(data.train)?;
    args.length.check_batch(&train)?;
    args.resolve(&mut settings, &train);
    let (model, builder) = builder(args, &train, &device)?;
    if args.output.dry_run {
        return memory::dry_run(&builder, &train, &Network::new(&model, args, &train), &device, output);
    }
    // Before the checkpoints are read, which another process may be writing.
    let lock = args.keeping.directory().filter(|(_, there)| *there).map(|(path, _)| RunLock::take(path)).transpose()?;
    let mut trainer = trainer(args, &model, builder)?;
    if args.output.print_plan {
        plan::print_plan(&trainer.plan(&train)?, trainer.model().layers.len(), output);
        return Ok(());
    }
    // Before a former run's files are touched.
    trainer.memory(&train)?.check()?;
    let mut directory = directory(args, lock, &trainer, settings, validation.is_some())?;
    if directory.as_ref().is_some_and(RunDirectory::replaces) {
        output.note("--out holds a run already, which this one replaces");
    }
    let checkpoints = directory.as_ref().map(RunDirectory::checkpoints);
    let fit = epochs(args.epochs(&train)).steps(args.length.steps);
    let fit = validation.as_ref().or(test.as_ref()).into_iter().fold(fit, |fit, watched| fit.validate(watched));
    let fit = fit.early_stopping(args.stopping.rule()?).checkpoints(checkpoints.as_ref());
    interrupt::watch()?;
    let report =
        Report::new(output, &device, args.output.log_steps, validation.is_some()).noting(notes).going_on(&trainer);
    let mut callback = (report, directory);
    let history = match trainer.fit(&train, fit, &mut callback) {
        Ok(history) => history,
        Err(error) => return Err(keep(error, callback.1.as_ref(), &mut trainer)),
    };
    directory = callback.1;
    let saved = directory.as_mut().map(|directory| save(directory, &mut trainer, &history)).transpose()?;
    // The model is safe by now, whatever comes of judging it.
    let parts = Parts { train, validation, test };
    let scores = scored(&mut trainer, &history, args.stopping.rule()?.is_some(), &parts)?;
    let seconds = started.elapsed().as_secs_f64();
    summarize(&Summary::new(&history, &scores, seconds, device.note(), saved), output);
    if history.end == End::Asked {
        return Err(interrupted(&history, directory.as_ref()));
    }
    // Of software adapters the default is known to be the fastest.
    if args.device.takes_tuned() && !device.is_software() {
        idle::refine(&trainer, &parts.train, output);
    }
    Ok(())
}

/// Saves the model, whose path it gives, and what happened.
fn save(directory: &mut RunDirectory, trainer: &mut Trainer, history: &History) -> Result<String> {
    directory.check()?;
    let path = directory.save_model(trainer)?.display().to_string();
    directory.save_history(history)?;
    Ok(path)
}

/// What the final model comes to. After early stopping that may be an earlier epoch's.
fn scored(trainer: &mut Trainer, history: &History, restored: bool, parts: &Parts) -> Result<Scored> {
    let last = history.epochs.last();
    let none = Evaluation { loss: 0.0, accuracy: 0.0, replicas: Vec::new() };
    let train = last.map_or(&none, |epoch| &epoch.train);
    let watched = last.and_then(|epoch| epoch.validation.clone());
    let own = (&parts.train, parts.validation.as_ref(), parts.test.as_ref());
    Scored::new(trainer, (train, watched), restored, own)
}

/// The directory of the run, if it has one, ready to be filled.
fn directory(
    args: &TrainArgs,
    lock: Option<RunLock>,
    trainer: &Trainer,
    settings: Settings,
    validates: bool,
) -> Result<Option<RunDirectory>> {
    let Some((path, _)) = args.keeping.directory() else { return Ok(None) };
    let beginning = Beginning::new(trainer, settings, trainer.resumes_after().is_some(), validates)?;
    RunDirectory::prepare(path, lock, args.keeping.checkpoints(path), beginning).map(Some)
}

/// After Ctrl-C: how to go on.
fn interrupted(history: &History, directory: Option<&RunDirectory>) -> Failure {
    let steps = history.steps;
    Failure::Interrupted(match directory {
        Some(directory) => format!("stopped after {steps} steps; go on with: {}", directory.way_on()),
        None => format!("stopped after {steps} steps; nothing is kept without --out DIR"),
    })
}

/// What the arguments make of the samples: the model, and how it is trained.
fn builder(args: &TrainArgs, data: &Dataset, device: &Device) -> Result<(Sequential, TrainerBuilder)> {
    let loss = args.loss.loss(data);
    let model = args.model.model(data, loss);
    let builder = Trainer::new(model.clone(), loss, args.optimizer.spec()).device(device.clone());
    let builder = args.optimizer.apply(builder).loss_options(args.loss.options(data)?);
    let builder = builder.batch_size(args.batch(data)).replicas(args.length.models(&args.optimizer.spec()));
    let builder = args.input.apply(builder, data)?;
    let builder = builder.precision(args.precision.precision);
    Ok((model, builder.shuffle(!args.length.no_shuffle).freeze(args.model.freeze)))
}

fn trainer(args: &TrainArgs, model: &Sequential, builder: TrainerBuilder) -> Result<Trainer> {
    // Where it was killed before its first checkpoint, it has not begun.
    let resumed = args.keeping.directory().filter(|(path, there)| *there && args.keeping.checkpoints(path).are_there());
    if let Some((path, _)) = resumed {
        return Ok(builder.resume(path)?);
    }
    let start = args.model.start(model)?;
    let mut trainer = builder.build()?;
    if let Some(layers) = start {
        trainer.set_first_layers(&layers)?;
    }
    Ok(trainer)
}

/// After a loss that diverged: the model of the last finite epoch is worth keeping. What fails before the first step
/// leaves nothing; a run that fails on its way can go on.
fn keep(mut error: Error, directory: Option<&RunDirectory>, trainer: &mut Trainer) -> Failure {
    let Some(directory) = directory else { return error.into() };
    if let Error::NonFinite { kept, .. } = &mut error {
        match directory.save_model(trainer) {
            Ok(path) => *kept = Some(path),
            Err(failure) => return failure,
        }
        return error.into();
    }
    directory.abandon();
    match &error {
        Error::Device(_) | Error::Io { .. } if directory.has_begun() => {
            Failure::Resumable { error, way_on: directory.way_on() }
        }
        _ => error.into(),
    }
}
