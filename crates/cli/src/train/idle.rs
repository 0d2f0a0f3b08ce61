//! Tuning for later runs, after a run's own work.

use std::time::Duration;

use wgrad::files::cache_directory;
use wgrad::tune::refine_in;
use wgrad::{Dataset, Trainer};

use crate::output::Output;

/// About as long as it may take, with the device idle and every result told and saved.
const MOMENT: Duration = Duration::from_millis(800);

/// Looks for faster kernels with bit-identical results, and reports which later runs will use.
pub fn refine(trainer: &Trainer, data: &Dataset, output: &Output) {
    let Some(directory) = cache_directory() else { return };
    match refine_in(&directory, trainer, data, MOMENT) {
        Ok(steps) => {
            for step in steps.iter().filter(|step| step.chosen != step.default) {
                output.event("refined", step);
                let times = step.speedup().map_or(String::new(), |times| format!(", {times:.2} times as fast"));
                let (label, default, chosen) = (&step.step, &step.default, &step.chosen);
                output.note(&format!("later runs take {chosen} for {label}, not {default}: the same bits{times}"));
            }
        }
        // The run itself is complete.
        Err(error) => output.note(&format!("kernels for later runs stay as they are: {error}")),
    }
}
