//! What a run of `wgrad train` came to.

use serde::Serialize;
use wgrad::executor::{DeviceInfo, KernelChoice};
use wgrad::{Dataset, End, History, Targets, Trainer};

use crate::Result;
use crate::args::kernel_line;
use crate::output::Output;
use crate::table::{Table, seconds};

/// What the final model came to on each part, and how large the parts are.
#[derive(Serialize)]
pub struct Scored {
    task: &'static str,
    samples: usize,
    validation_samples: Option<usize>,
    test_samples: Option<usize>,
    /// Names of the classes, where they have some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<String>,
    train_loss: f64,
    train_accuracy: f64,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
}

impl Scored {
    /// The last epoch's scores are the final ones of the part that it was judged on; the test part is judged now if
    /// there is a validation part too.
    pub fn new(
        trainer: &mut Trainer,
        history: &History,
        train: &Dataset,
        validation: Option<&Dataset>,
        test: Option<&Dataset>,
    ) -> Result<Self> {
        let last = history.epochs.last();
        let watched = last.and_then(|epoch| epoch.test.clone());
        let (validated, tested) = match (validation, test) {
            (Some(_), Some(test)) => (watched, Some(trainer.evaluate(test)?)),
            (Some(_), None) => (watched, None),
            (None, _) => (None, watched),
        };
        Ok(Self {
            task: if matches!(train.targets(), Targets::Values(_)) { "regression" } else { "classification" },
            samples: train.len(),
            validation_samples: validation.map(Dataset::len),
            test_samples: test.map(Dataset::len),
            classes: train.preprocessing().map(|known| known.classes.clone()).unwrap_or_default(),
            train_loss: last.map_or(0.0, |epoch| epoch.train.loss),
            train_accuracy: last.map_or(0.0, |epoch| epoch.train.accuracy),
            validation_loss: validated.as_ref().map(|scores| scores.loss),
            validation_accuracy: validated.as_ref().map(|scores| scores.accuracy),
            test_loss: tested.as_ref().map(|scores| scores.loss),
            test_accuracy: tested.as_ref().map(|scores| scores.accuracy),
        })
    }

    fn list(&self, list: &mut Table) {
        let parts = [
            ("test", self.test_loss, self.test_accuracy),
            ("validation", self.validation_loss, self.validation_accuracy),
        ];
        for (part, loss, accuracy) in parts {
            let (Some(loss), Some(accuracy)) = (loss, accuracy) else { continue };
            if self.task == "classification" {
                list.entry(&format!("{part} accuracy"), format!("{:.2}%", 100.0 * accuracy));
            }
            list.entry(&format!("{part} loss"), format!("{loss:.4}"));
        }
        if self.test_loss.is_none() && self.validation_loss.is_none() {
            list.entry("train loss", format!("{:.4}", self.train_loss));
        }
        let part =
            |count: Option<usize>, name: &str| count.map_or_else(String::new, |count| format!(", {count} {name}"));
        let (validation, test) = (part(self.validation_samples, "validation"), part(self.test_samples, "test"));
        list.entry("samples", format!("{} training{validation}{test}", self.samples));
    }
}

/// What a run came to.
#[derive(Serialize)]
pub struct Summary<'a> {
    #[serde(flatten)]
    scores: &'a Scored,
    epochs: usize,
    steps: u64,
    /// Why it ended: epochs, steps, stopped (early stopping) or asked (Ctrl-C).
    end: End,
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
    pub fn new(
        history: &'a History,
        scores: &'a Scored,
        seconds: f64,
        note: Option<&'a str>,
        saved: Option<String>,
    ) -> Self {
        let History { run, epochs, steps, training_seconds, time_to_first_step, .. } = history;
        let weighted = epochs.iter().map(|epoch| epoch.samples_per_second * epoch.seconds).sum::<f64>();
        Self {
            scores,
            epochs: epochs.len(),
            steps: *steps,
            end: history.end,
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

pub fn summarize(summary: &Summary<'_>, output: &Output) {
    output.event("summary", summary);
    let mut list = Table::list();
    summary.scores.list(&mut list);
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
