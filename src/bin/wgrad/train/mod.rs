//! `wgrad train`

mod args;
mod length;
mod loss;
mod model;
mod optimizer;
mod plan;
mod report;
mod summary;

use std::time::Instant;

use wgrad::{Dataset, Device, Error, Trainer, epochs};

pub use args::TrainArgs;
pub use summary::device_entries;

use crate::config::Settings;
use crate::output::Output;
use crate::run_directory::RunDirectory;
use crate::{Failure, Result};
use report::Report;
use summary::{Summary, summarize};

pub fn run(args: &TrainArgs, mut settings: Settings, output: &Output, started: Instant) -> Result<()> {
    let device = args.device.open()?;
    let data = args.data.load()?;
    let train = args.length.limited(data.train)?;
    args.length.check_batch(&train)?;
    args.resolve(&mut settings, &train);
    let mut trainer = trainer(args, &train, &device)?;
    if args.output.print_plan {
        plan::print_plan(&trainer.plan(&train)?, output);
        return Ok(());
    }
    let directory = args.output.out.as_deref().map(RunDirectory::prepare).transpose()?;
    let fit = epochs(args.length.epochs(train.len())).steps(args.length.steps).validate(&data.test);
    let mut report = Report::new(output, &device, args.output.log_steps);
    let history = match trainer.fit(&train, fit, &mut report) {
        Ok(history) => history,
        Err(error) => return Err(keep(error, directory.as_ref(), &settings, &mut trainer)),
    };
    let mut saved = None;
    if let Some(directory) = &directory {
        saved = Some(directory.save_model(&mut trainer, &settings)?.display().to_string());
        directory.save_history(&history)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    summarize(&Summary::new(&history, seconds, device.note(), saved), output);
    Ok(())
}

fn trainer(args: &TrainArgs, data: &Dataset, device: &Device) -> Result<Trainer> {
    let model = args.model.model(data);
    let start = args.model.start(&model)?;
    let builder = Trainer::new(model, args.loss.loss, args.optimizer.spec()).device(device.clone());
    let builder =
        builder.loss_options(args.loss.options(data)?).batch_size(args.length.batch(data.len())).seed(args.length.seed);
    let mut trainer = builder.shuffle(!args.length.no_shuffle).build()?;
    if let Some(file) = start {
        trainer.set_weights(&file.weights)?;
    }
    Ok(trainer)
}

/// After a loss that diverged: the model of the last finite epoch is worth keeping. Any other failure leaves nothing.
fn keep(error: Error, directory: Option<&RunDirectory>, settings: &Settings, trainer: &mut Trainer) -> Failure {
    let Some(directory) = directory else { return error.into() };
    if let Error::NonFinite { loss, step, epoch, replica, replicas, learning_rate, .. } = error {
        let kept = match directory.save_model(trainer, settings) {
            Ok(path) => Some(path),
            Err(failure) => return failure,
        };
        return Error::NonFinite { loss, step, epoch, replica, replicas, learning_rate, kept }.into();
    }
    directory.abandon();
    error.into()
}
