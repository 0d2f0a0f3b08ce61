//! What a run's settings are hardly meant to do, said at its start.

use wgrad::data::Parts;
use wgrad::{Dataset, Loss, Targets};

use super::TrainArgs;
use crate::Result;

/// Targets that spread so much more or less than the outputs of fresh layers, by which factor they are far from them.
const FAR: f64 = 10.0;

/// In one line each.
pub fn notes(args: &TrainArgs, parts: &Parts) -> Result<Vec<String>> {
    let watches = args.stopping.rule()?.is_some_and(|rule| rule.monitor.needs_validation());
    let flatters = (watches && parts.validation.is_none() && parts.test.is_some()).then(|| {
        "early stopping watches the test part, whose scores then flatter the model; hold other samples back with \
         --validation 0.1"
            .to_owned()
    });
    let scaled =
        parts.train.preprocessing().is_some_and(|known| known.targets.iter().any(|target| target.scale != 1.0));
    let spread = spread(&parts.train).filter(|spread| !scaled && !(1.0 / FAR..=FAR).contains(spread));
    let of_values =
        matches!(args.loss.loss(&parts.train), Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber);
    let unscaled = spread.filter(|_| of_values).map(|spread| {
        format!("the targets' standard deviation is {spread:.3}, far from 1: --scale-target may train much better")
    });
    Ok(flatters.into_iter().chain(unscaled).collect())
}

/// The largest standard deviation of a target that is a value.
fn spread(data: &Dataset) -> Option<f64> {
    let Targets::Values(values) = data.targets() else { return None };
    let deviation = |column: ndarray::ArrayView1<'_, f32>| column.mapv(f64::from).std(0.0);
    values.columns().into_iter().map(deviation).max_by(f64::total_cmp)
}
