//! Progress reports of `wgrad train`.

use std::io::{IsTerminal, stdout};

use serde::Serialize;
use wgrad::executor::DeviceInfo;
use wgrad::{EpochReport, Event, Note, RunInfo, StepReport, StepsReport};

use crate::output::Output;
use crate::progress::ProgressBar;

/// Reports progress to the terminal and as JSON.
pub struct Report<'a> {
    output: &'a Output,
    log_steps: bool,
    /// Whether epochs are validated on a validation part rather than on the test part.
    validates: bool,
    /// Whether there are several replicas.
    several: bool,
    bar: Option<ProgressBar>,
}

impl<'a> Report<'a> {
    pub fn new(output: &'a Output, log_steps: bool, validates: bool) -> Self {
        // A bar and a line per step would overwrite each other on one terminal.
        let crowded = log_steps && stdout().is_terminal();
        let bar = (!output.quiet() && !crowded)
            .then(|| ProgressBar::stderr().judged_on(if validates { "validation" } else { "test" }));
        Self { output, log_steps, validates, several: false, bar }
    }

    pub fn tell(&mut self, event: &Event) {
        match event {
            Event::Note(note) => self.output.note(&words(note)),
            Event::Started(run) => self.start(run),
            Event::Steps(StepsReport { steps, progress }) => {
                steps.iter().for_each(|step| self.step(step));
                self.bar.iter_mut().for_each(|bar| bar.progress(progress));
            }
            Event::Epoch(report) => {
                self.bar.iter_mut().for_each(|bar| bar.epoch(report));
                self.output.event("epoch", &EpochEvent::new(report, self.validates));
            }
            Event::Checkpoint(_) | Event::Finished(_) => {}
        }
    }

    fn start(&mut self, run: &RunInfo) {
        self.several = run.replicas > 1;
        if let Some(bar) = &mut self.bar {
            let DeviceInfo { device, adapter, .. } = &run.device;
            let replicas = if self.several { format!("{} x ", run.replicas) } else { String::new() };
            let note = format!("{replicas}{} on {device} ({adapter}), {} samples", run.architecture, run.samples);
            self.output.note(&note);
            bar.start(run);
        }
    }

    fn step(&self, report: &StepReport) {
        if self.log_steps {
            let StepReport { step, replica, loss, gradient_norm } = *report;
            let replica = self.several.then_some(replica);
            let norm = gradient_norm.map_or_else(String::new, |norm| format!(" gradient norm {norm}"));
            let which = replica.map_or_else(String::new, |replica| format!(" replica {replica}"));
            self.output.text(&format!("step {step}{which} loss {loss}{norm}"));
            self.output.event("step", &StepEvent { step, replica, loss, gradient_norm });
        }
    }
}

/// A note in the command's words, where flags are the way out.
fn words(note: &Note) -> String {
    match note {
        Note::WatchesTest => {
            "early stopping watches the test part, whose scores then flatter the model; hold other samples \
                              back with --validation 0.1"
                .to_owned()
        }
        Note::TargetsFar { deviation } => format!(
            "the targets' standard deviation is {deviation:.3}, far from 1: --scale-target may train much better"
        ),
        other => other.to_string(),
    }
}

#[derive(Serialize)]
struct StepEvent {
    step: u64,
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    replica: Option<usize>,
    loss: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    gradient_norm: Option<f64>,
}

/// An epoch's results, in events and in the histories of run directories.
#[derive(Serialize)]
pub struct EpochEvent {
    epoch: usize,
    train_loss: f64,
    train_accuracy: f64,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    /// At the epoch's last step; not told by checkpoints of before it was noted.
    learning_rate: Option<f32>,
    seconds: f64,
    samples_per_second: f64,
}

impl EpochEvent {
    pub fn new(report: &EpochReport, validates: bool) -> Self {
        let EpochReport { epoch, train, validation, learning_rates, seconds, samples_per_second } = report;
        let (validation, test) = if validates { (validation.as_ref(), None) } else { (None, validation.as_ref()) };
        Self {
            epoch: *epoch,
            train_loss: train.loss,
            train_accuracy: train.accuracy,
            validation_loss: validation.map(|scores| scores.loss),
            validation_accuracy: validation.map(|scores| scores.accuracy),
            test_loss: test.map(|scores| scores.loss),
            test_accuracy: test.map(|scores| scores.accuracy),
            learning_rate: learning_rates.first().copied(),
            seconds: *seconds,
            samples_per_second: *samples_per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgrad::Evaluation;

    #[test]
    fn an_epoch_of_an_older_checkpoint_has_no_learning_rate_to_tell() {
        let train = Evaluation { loss: 1.0, accuracy: 0.5, replicas: Vec::new() };
        let report = EpochReport {
            epoch: 1,
            train,
            validation: None,
            learning_rates: Vec::new(),
            seconds: 1.0,
            samples_per_second: 1.0,
        };
        let event = serde_json::to_value(EpochEvent::new(&report, false)).unwrap();
        assert!(event["learning_rate"].is_null() && event["epoch"] == 1, "{event}");
    }
}
