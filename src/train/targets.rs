//! What a loss asks of targets, and what each sample counts in it.

use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::ops::{Head, Loss};
use crate::spec::TrainSpec;
use crate::tensor::Iteration;

/// How far the sum of a row of probabilities may be from 1: f32 sums of many small ones, and numbers from text.
const SUM_TOLERANCE: f64 = 1e-3;

/// Whether targets are what the loss can follow: probabilities, truths of 0 or 1, or any values.
pub(super) fn check_targets(data: &Dataset, spec: &TrainSpec) -> Result<()> {
    let Targets::Values(values) = data.targets() else { return Ok(()) };
    let loss = spec.loss;
    if !spec.loss_options.class_weights.is_empty() && loss != Loss::SoftmaxCrossEntropy {
        return Err(Error::spec("class weights", format!("{loss} needs classes as targets for them, not values")));
    }
    let wanted = match loss.head() {
        Head::Values => return Ok(()),
        Head::Softmax => "probabilities that sum to 1",
        Head::Sigmoid => "values from 0 to 1",
        Head::Margin => "values of 0 or 1",
    };
    let fits = |value: f32| match loss.head() {
        Head::Margin => value == 0.0 || value == 1.0,
        _ => (0.0..=1.0).contains(&value),
    };
    for (n, row) in values.rows().into_iter().enumerate() {
        let sum: f64 = row.iter().copied().map(f64::from).sum();
        let found = match row.iter().find(|value| !fits(**value)) {
            Some(value) => format!("has {value}"),
            None if loss.head() == Head::Softmax && (sum - 1.0).abs() > SUM_TOLERANCE => format!("sums to {sum}"),
            None => continue,
        };
        let reason = format!("{loss} needs classes, or {wanted}; row {n} (from 0) of {} {found}", data.name());
        return Err(Error::spec("targets", reason));
    }
    Ok(())
}

/// Whether samples or classes have weights, so that the device must know them.
pub(super) fn weighted(data: &Dataset, spec: &TrainSpec) -> bool {
    data.weights().is_some() || !spec.loss_options.class_weights.is_empty()
}

/// What each sample counts in the mean, (N): its weight times that of its class. None where all count 1.
pub(super) fn row_weights(data: &Dataset, spec: &TrainSpec) -> Option<Vec<f64>> {
    let own = data.weights();
    let classes = &spec.loss_options.class_weights;
    let sample = |n: usize| own.map_or(1.0, |weights| f64::from(weights[n]));
    match data.targets() {
        Targets::Classes(labels) if !classes.is_empty() => {
            let labels = labels.iter().enumerate();
            Some(labels.map(|(n, label)| sample(n) * f64::from(classes[*label as usize])).collect())
        }
        _ => own.map(|weights| weights.iter().copied().map(f64::from).collect()),
    }
}

/// The sums of the rows' weights in each batch of each replica, (steps, R), by what each sample counts; none where all
/// count 1. Batches are those of the whole epoch's `orders` (R, N).
pub(super) fn batch_weights(rows: Option<&[f64]>, orders: &[Vec<u32>], batches: &[Iteration]) -> Vec<f64> {
    let Some(rows) = rows else { return Vec::new() };
    let batches = batches.iter().map(|batch| batch.first as usize..(batch.first + batch.rows) as usize);
    let sums = batches
        .flat_map(|batch| orders.iter().map(move |order| order[batch.clone()].iter().map(|n| rows[*n as usize]).sum()));
    sums.collect()
}

/// A weighted sum over its weight; 0 where nothing counts.
pub(super) fn mean(sum: f64, weight: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { sum / weight }
}

/// What each of so many classes counts; 1 unless told otherwise.
pub(super) fn class_weights(spec: &TrainSpec, classes: usize) -> Vec<f32> {
    let own = &spec.loss_options.class_weights;
    if own.is_empty() { vec![1.0; classes] } else { own.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OptimizerSpec, Sgd};

    #[test]
    fn a_batch_weighs_what_its_samples_and_their_classes_weigh() {
        let x = ndarray::Array2::<f32>::zeros((4, 1));
        let data = Dataset::classification(x.view(), &[0, 1, 1, 2]).unwrap();
        let weighed = data.clone().with_weights(vec![1.0, 2.0, 3.0, 0.5]).unwrap();
        let mut spec = TrainSpec::new(Loss::Hinge, OptimizerSpec::from(Sgd::new(0.1)).optimizer, 3, Vec::new());
        assert_eq!(row_weights(&data, &spec), None);
        assert_eq!(row_weights(&weighed, &spec), Some(vec![1.0, 2.0, 3.0, 0.5]));
        spec.loss_options.class_weights = vec![1.0, 10.0, 100.0];
        assert_eq!(row_weights(&data, &spec), Some(vec![1.0, 10.0, 10.0, 100.0]));
        let rows = row_weights(&weighed, &spec).unwrap();
        assert_eq!(rows, [1.0, 20.0, 30.0, 50.0]);
        let batches = super::super::session::iterations(4, 3, 0);
        let orders = [vec![3, 2, 1, 0], vec![0, 1, 2, 3]];
        assert_eq!(batch_weights(Some(&rows), &orders, &batches), [100.0, 51.0, 1.0, 50.0]);
        assert!(batch_weights(None, &orders, &batches).is_empty());
    }
}
