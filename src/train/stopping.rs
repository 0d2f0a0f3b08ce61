//! Early stopping: when training has stopped to pay, and which weights were the best.

use serde::{Deserialize, Serialize};

use super::report::EpochReport;

/// What is watched, epoch by epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Mean loss on the validation set; less is better.
    #[default]
    ValidationLoss,
    /// Share of right answers on the validation set; more is better.
    ValidationAccuracy,
    /// Mean loss over the epoch's steps; less is better.
    TrainLoss,
}

impl Monitor {
    /// Whether it can only be watched on a validation set.
    pub fn needs_validation(self) -> bool {
        self != Self::TrainLoss
    }

    /// What one replica comes to, turned so that less is better; none without a validation set.
    fn cost(self, report: &EpochReport, replica: usize) -> Option<f64> {
        let validation = || report.validation.as_ref().map(|scores| &scores.replicas[replica]);
        match self {
            Self::ValidationLoss => validation().map(|scores| scores.loss),
            Self::ValidationAccuracy => validation().map(|scores| -scores.accuracy),
            Self::TrainLoss => report.train.replicas.get(replica).map(|scores| scores.loss),
        }
    }
}

/// With what an epoch's value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The value of the last improvement by more than `min_delta` (Keras, PyTorch Lightning).
    #[default]
    LastImprovement,
    /// The best value so far, whether or not it was better by `min_delta` (scikit-learn). Many small steps, none of which
    /// reaches `min_delta`, then count as none.
    BestSoFar,
}

/// Stops a run after `patience` epochs without an improvement. Every replica is measured by its own values: one that has
/// stopped keeps its weights of then, and the run ends with the last.
///
/// ```
/// use wgrad::datasets::{MakeMoons, make_moons};
/// use wgrad::{Activation::*, Adam, EarlyStopping, End, Loss::*, Monitor, Sequential, Trainer, epochs};
///
/// let moons = |seed| make_moons(&MakeMoons { samples: 100, noise: 0.3, seed });
/// let (train, validation) = (moons(1)?, moons(2)?);
/// let model = Sequential::new(2).dense(16, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.1)).batch_size(20).build()?;
/// let rule = EarlyStopping::patience(3).monitor(Monitor::ValidationLoss).min_delta(1e-3).restore_best();
/// let history = trainer.fit(&train, epochs(500).validate(&validation).early_stopping(rule), &mut ())?;
/// assert!(history.end == End::Stopped && history.epochs.len() < 500);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// What is watched.
    pub monitor: Monitor,
    /// Epochs in a row without an improvement that end the run; at least 1.
    pub patience: usize,
    /// By how much a value must be better to be an improvement.
    pub min_delta: f64,
    /// Whether the weights of the best epoch come back when the run is over, stopped early or not.
    pub restore_best: bool,
    /// Better than what.
    pub reference: Reference,
}

impl EarlyStopping {
    /// Stops after so many epochs without an improvement of the validation loss, as Keras' `EarlyStopping` does.
    pub fn patience(patience: usize) -> Self {
        let (monitor, reference) = (Monitor::ValidationLoss, Reference::LastImprovement);
        Self { monitor, patience, min_delta: 0.0, restore_best: false, reference }
    }

    /// The rule of scikit-learn's `MLPClassifier` and `MLPRegressor` (`_update_no_improvement_count`): stops when the
    /// training loss has not been better than the best so far by at least `tol` in more than `n_iter_no_change` epochs
    /// in a row. Their defaults are 1e-4 and 10. scikit-learn's squared error is half of ours: double its `tol` there.
    pub fn scikit_learn(tol: f64, n_iter_no_change: usize) -> Self {
        let (monitor, reference) = (Monitor::TrainLoss, Reference::BestSoFar);
        Self { monitor, patience: n_iter_no_change.saturating_add(1), min_delta: tol, restore_best: false, reference }
    }

    /// Watches something else.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Counts only what is better by more than this.
    #[must_use]
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.min_delta = min_delta;
        self
    }

    /// Brings back the best epoch's weights at the end.
    #[must_use]
    pub fn restore_best(mut self) -> Self {
        self.restore_best = true;
        self
    }

    fn improves(&self, cost: f64, reference: Option<f64>) -> bool {
        reference.is_none_or(|reference| match self.reference {
            Reference::LastImprovement => cost < reference - self.min_delta,
            Reference::BestSoFar => cost <= reference - self.min_delta,
        })
    }
}

/// How one replica has fared: part of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Of the epoch whose weights are kept.
    best: Option<f64>,
    /// What the next value is compared with.
    reference: Option<f64>,
    waited: usize,
    /// Epochs after which it stopped.
    stopped: Option<usize>,
}

/// What an epoch was for a replica; neither, once it has stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The best so far.
    pub best: bool,
    /// The last one for it.
    pub stops: bool,
}

impl Standing {
    /// Compares an epoch with the best so far. Without `stops` nothing ever stops: only the best is reported.
    pub fn judge(&mut self, rule: &EarlyStopping, stops: bool, report: &EpochReport, replica: usize) -> Verdict {
        if self.stopped.is_some() {
            return Verdict::default();
        }
        let Some(cost) = rule.monitor.cost(report, replica) else { return Verdict::default() };
        let improves = rule.improves(cost, self.reference);
        let best = match rule.reference {
            Reference::LastImprovement => improves,
            Reference::BestSoFar => self.best.is_none_or(|best| cost < best),
        };
        if best {
            self.best = Some(cost);
        }
        self.reference = match rule.reference {
            Reference::LastImprovement if improves => Some(cost),
            Reference::LastImprovement => self.reference,
            Reference::BestSoFar => self.best,
        };
        self.waited = if improves { 0 } else { self.waited + 1 };
        if stops && self.waited >= rule.patience.max(1) {
            self.stopped = Some(report.epoch);
        }
        Verdict { best, stops: self.stopped.is_some() }
    }

    pub fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Evaluation, Scores};
    use super::*;

    /// After how many of these training losses a rule stops, and which was the best (from 1).
    fn stops(rule: EarlyStopping, losses: &[f64]) -> (Option<usize>, usize) {
        let (mut standing, mut best) = (Standing::default(), 0);
        for (epoch, &loss) in (1..).zip(losses) {
            let scores = |loss| Evaluation::of(vec![Scores::new(loss, -loss)]);
            // The validation goes the other way, so that a rule that watches the wrong one is found out.
            let (train, validation) = (scores(loss), Some(scores(-loss)));
            let report = EpochReport {
                epoch,
                train,
                validation,
                learning_rates: vec![0.1],
                seconds: 0.0,
                samples_per_second: 0.0,
            };
            let verdict = standing.judge(&rule, true, &report, 0);
            if verdict.best {
                best = epoch;
            }
            if verdict.stops {
                assert_eq!(standing.judge(&rule, true, &report, 0), Verdict::default());
                return (Some(epoch), best);
            }
        }
        (None, best)
    }

    #[test]
    fn patience_counts_epochs_without_an_improvement() {
        let rule = EarlyStopping::patience(2).monitor(Monitor::TrainLoss);
        assert_eq!(stops(rule, &[5.0, 4.0, 4.5, 3.0, 3.0, 3.5, 1.0]), (Some(6), 4));
        assert_eq!(stops(rule, &[5.0, 4.0, 4.5, 3.0, 3.0]), (None, 4));
        // The validation loss rises as these fall, the validation accuracy falls with them.
        assert_eq!(stops(rule.monitor(Monitor::ValidationLoss), &[5.0, 4.0, 3.0, 2.0]), (Some(3), 1));
        assert_eq!(stops(rule.monitor(Monitor::ValidationAccuracy), &[1.0, 2.0, 3.0]), (None, 3));
    }

    #[test]
    fn small_steps_add_up_against_the_last_improvement_but_not_against_the_best() {
        let creeping: Vec<f64> = (0..12).map(|epoch| 1.0 - 0.04 * f64::from(epoch)).collect();
        let keras = EarlyStopping::patience(3).monitor(Monitor::TrainLoss).min_delta(0.1);
        assert_eq!(stops(keras, &creeping).0, None);
        assert_eq!(stops(EarlyStopping::scikit_learn(0.1, 2), &creeping), (Some(4), 4));
    }

    /// The loss curve of an MLPRegressor on which scikit-learn 1.7 stops: see `_update_no_improvement_count`.
    #[test]
    fn scikit_learns_rule_stops_after_more_than_so_many() {
        let flat = [1.0; 20];
        assert_eq!(stops(EarlyStopping::scikit_learn(1e-4, 10), &flat).0, Some(12));
    }
}
