//! How training goes, on a terminal or in a log.

use std::io::Write;

use indicatif::ProgressStyle;
use wgrad::{EpochReport, Progress, RunInfo};

/// A bar per epoch with loss, accuracy, samples per second and time left, on a terminal's stderr; where stderr is not
/// a terminal, one line per epoch.
#[derive(Debug)]
pub struct ProgressBar {
    bar: Option<indicatif::ProgressBar>,
    epochs: usize,
    /// Whether there are right answers to tell of.
    classes: bool,
    judged_on: &'static str,
}

impl ProgressBar {
    /// On stderr.
    pub fn stderr() -> Self {
        Self { bar: None, epochs: 0, classes: true, judged_on: "validation" }
    }

    /// The name of the samples that each epoch is validated on, if any; `validation` by default.
    pub fn judged_on(self, judged_on: &'static str) -> Self {
        Self { judged_on, ..self }
    }

    fn style() -> ProgressStyle {
        let template = "{prefix} {wide_bar} {pos}/{len} {msg} {eta} left";
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    }

    /// Before the first step.
    pub fn start(&mut self, run: &RunInfo) {
        (self.epochs, self.classes) = (run.epochs, run.classes);
    }

    /// Within an epoch.
    pub fn progress(&mut self, progress: &Progress) {
        let Progress { epoch, step, steps, loss, accuracy, samples_per_second } = *progress;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = indicatif::ProgressBar::new(steps as u64).with_style(Self::style());
            bar.with_prefix(format!("epoch {epoch}/{}", self.epochs))
        });
        bar.set_position(step as u64);
        let right = if self.classes { format!(" acc {:.2}%", 100.0 * accuracy) } else { String::new() };
        bar.set_message(format!("loss {loss:.4}{right} {samples_per_second:.0}/s"));
    }

    /// After an epoch.
    pub fn epoch(&mut self, report: &EpochReport) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let EpochReport { epoch, train, validation, learning_rates, seconds, samples_per_second } = report;
        let [rate, ..] = learning_rates[..] else { return };
        let right = |word: &str, accuracy: f64| match self.classes {
            true => format!("{word} {:.2}%", 100.0 * accuracy),
            false => String::new(),
        };
        let judged = validation.as_ref().map_or_else(String::new, |scores| {
            format!("  {} {:.4}{}", self.judged_on, scores.loss, right("", scores.accuracy))
        });
        // Not eprintln, which panics where stderr is closed; a run continues without anyone watching.
        writeln!(
            std::io::stderr(),
            "epoch {epoch}/{}  loss {:.4}{}{judged}  lr {rate:.3e}  {seconds:.2} s  {samples_per_second:.0} samples/s",
            self.epochs,
            train.loss,
            right(" acc", train.accuracy),
        )
        .ok();
    }
}
