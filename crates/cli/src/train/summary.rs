//! The summary of `wgrad train`.

use serde::Serialize;
use wgrad::executor::{DeviceInfo, KernelChoice};
use wgrad::{End, History, Precision};

use super::scores::Scored;
use crate::args::kernel_line;
use crate::output::Output;
use crate::table::{Table, seconds};

/// A run's results.
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
    precision: Precision,
    /// Of each step, in order; none on the CPU.
    kernels: &'a [KernelChoice],
    #[serde(flatten)]
    device: &'a DeviceInfo,
    /// Why this device was chosen, if it was not requested.
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
            precision: run.precision,
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
    if summary.precision != Precision::F32 {
        list.entry("precision", summary.precision);
    }
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

/// The device, for every report.
pub fn device_entries(list: &mut Table, info: &DeviceInfo) {
    list.entry("device", &info.device);
    list.entry("adapter", &info.adapter);
    list.entry("backend", &info.backend);
    if !info.driver.is_empty() {
        list.entry("driver", &info.driver);
    }
}
