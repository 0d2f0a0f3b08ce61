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
mod optimizer;
mod plan;
mod report;
mod schedule;
mod scores;
mod summary;

use std::time::Instant;

use wgrad::data::Parts;
use wgrad::run::Prepared;
use wgrad::{End, Error, Evaluation, Event, History, Run, Trainer};

pub use args::TrainArgs;
pub use report::EpochEvent;
pub use summary::device_entries;

use crate::config::Settings;
use crate::failure::in_flags;
use crate::output::Output;
use crate::run_directory::{Beginning, RunDirectory};
use crate::run_lock::RunLock;
use crate::{Failure, Result, interrupt};
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
    let spec = args.spec()?;
    let prepared = spec.prepare_with(args.data.load(&spec.data)?, device.clone()).map_err(in_flags)?;
    args.resolve(&mut settings, &prepared.spec);
    if args.output.dry_run {
        return memory::dry_run(&prepared, &device, output);
    }
    // Before the checkpoints are read, which another process may be writing.
    let lock = args.keeping.directory().filter(|(_, there)| *there).map(|(path, _)| RunLock::take(path)).transpose()?;
    let trainer = trainer(args, &prepared)?;
    let parts = &prepared.parts;
    if args.output.print_plan {
        plan::print_plan(&trainer.plan(&parts.train)?, trainer.model().layers.len(), output);
        return Ok(());
    }
    // Before a former run's files are touched.
    trainer.memory(&parts.train)?.check()?;
    let mut directory = directory(args, lock, &trainer, settings, &prepared)?;
    if directory.as_ref().is_some_and(RunDirectory::replaces) {
        output.note("--out holds a run already, which this one replaces");
    }
    interrupt::watch()?;
    let mut run = prepared.start(trainer).map_err(|error| abandon(error, directory.as_ref()))?;
    let mut report = Report::new(output, args.output.log_steps, parts.validation.is_some());
    let history = match follow(&mut run, &mut report, &mut directory) {
        Ok(history) => history,
        Err(error) => return Err(keep(error, directory.as_ref(), run.close())),
    };
    let trainer = run.close();
    let saved = directory.as_mut().map(|directory| save(directory, trainer, &history)).transpose()?;
    // The model is saved by now, whether its evaluation succeeds or not.
    let scores = scored(trainer, &history, spec.fit.stopping.is_some(), parts)?;
    let seconds = started.elapsed().as_secs_f64();
    summarize(&Summary::new(&history, &scores, seconds, device.note(), saved), output);
    if history.end == End::Asked {
        return Err(interrupted(&history, directory.as_ref()));
    }
    // Of software adapters the default is known to be the fastest.
    if args.device.takes_tuned() && !device.is_software() {
        idle::refine(trainer, &parts.train, output);
    }
    Ok(())
}

/// Pulls the run to its end, and tells terminal and directory of each event. It stops on Ctrl-C, and where the directory
/// cannot be written to.
fn follow(run: &mut Run<'_>, report: &mut Report<'_>, directory: &mut Option<RunDirectory>) -> Result<History, Error> {
    while let Some(event) = run.next()? {
        report.tell(&event);
        directory.iter_mut().for_each(|directory| directory.tell(&event));
        if interrupt::asked() || directory.as_ref().is_some_and(RunDirectory::has_failed) {
            run.stop();
        }
        if let Event::Finished(history) = event {
            return Ok(*history);
        }
    }
    panic!("a run ended without telling so")
}

/// Saves the model, whose path it gives, and what happened.
fn save(directory: &mut RunDirectory, trainer: &mut Trainer, history: &History) -> Result<String> {
    directory.check()?;
    let path = directory.save_model(trainer)?.display().to_string();
    directory.save_history(history)?;
    Ok(path)
}

/// The final model's scores. After early stopping it may be an earlier epoch's.
fn scored(trainer: &mut Trainer, history: &History, restored: bool, parts: &Parts) -> Result<Scored> {
    let last = history.epochs.last();
    let none = Evaluation { loss: 0.0, accuracy: 0.0, replicas: Vec::new() };
    let train = last.map_or(&none, |epoch| &epoch.train);
    let watched = last.and_then(|epoch| epoch.validation.clone());
    let own = (&parts.train, parts.validation.as_ref(), parts.test.as_ref());
    Scored::new(trainer, (train, watched), restored, own)
}

/// The directory of the run, if it has one, prepared.
fn directory(
    args: &TrainArgs,
    lock: Option<RunLock>,
    trainer: &Trainer,
    settings: Settings,
    prepared: &Prepared,
) -> Result<Option<RunDirectory>> {
    let Some((path, _)) = args.keeping.directory() else { return Ok(None) };
    let beginning = Beginning::new(trainer, settings, &prepared.spec, prepared.parts.validation.is_some())?;
    RunDirectory::prepare(path, lock, args.keeping.checkpoints(path), beginning).map(Some)
}

/// After Ctrl-C: how to resume.
fn interrupted(history: &History, directory: Option<&RunDirectory>) -> Failure {
    let steps = history.steps;
    Failure::Interrupted(match directory {
        Some(directory) => format!("stopped after {steps} steps; resume with: {}", directory.way_on()),
        None => format!("stopped after {steps} steps; nothing is kept without --out DIR"),
    })
}

fn trainer(args: &TrainArgs, prepared: &Prepared) -> Result<Trainer> {
    // Where it was killed before its first checkpoint, it has not begun.
    let resumed = args.keeping.directory().filter(|(path, there)| *there && args.keeping.checkpoints(path).are_there());
    Ok(match resumed {
        Some((path, _)) => prepared.resume(path)?,
        None => prepared.trainer()?,
    })
}

/// After a loss that diverged: the model of the last finite epoch is worth keeping.
fn keep(mut error: Error, directory: Option<&RunDirectory>, trainer: &mut Trainer) -> Failure {
    if let (Error::NonFinite { kept, .. }, Some(directory)) = (&mut error, directory) {
        match directory.save_model(trainer) {
            Ok(path) => *kept = Some(path),
            Err(failure) => return failure,
        }
        return error.into();
    }
    abandon(error, directory)
}

/// What fails before the first step leaves nothing; a run that fails on its way can go on.
fn abandon(error: Error, directory: Option<&RunDirectory>) -> Failure {
    let Some(directory) = directory else { return error.into() };
    directory.abandon();
    match &error {
        Error::Device(_) | Error::Io { .. } if directory.has_begun() => {
            Failure::Resumable { error, way_on: directory.way_on() }
        }
        _ => error.into(),
    }
}
