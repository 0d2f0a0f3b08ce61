//! What a run reports while it trains and when it is over.

use serde::{Deserialize, Serialize};

use super::metrics::Metrics;
use super::non_finite::{number, numbers, present};
use crate::executor::{DeviceInfo, KernelChoice};
use crate::precision::Precision;

/// How one model does on some samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean loss over the samples.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Share of right answers; 0 for values as targets, which are never just right.
    #[serde(deserialize_with = "number")]
    pub accuracy: f64,
    /// Metrics beside loss and accuracy; none during training, which they would slow down.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub metrics: Metrics,
}

impl Scores {
    /// Loss and accuracy alone.
    pub(super) fn new(loss: f64, accuracy: f64) -> Self {
        Self { loss, accuracy, metrics: Metrics::default() }
    }
}

/// The scores of all replicas on a dataset.
///
/// ```
/// use wgrad::{Activation::*, Adam, Loss::*, Sequential, Trainer, datasets};
///
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).build()?;
/// let evaluation = trainer.evaluate(&datasets::xor()?)?;
/// let classes = evaluation.metrics().classification.as_ref().expect("of classes");
/// println!("F1 {:.3}, of class 1 {:?}", classes.macro_average().f1, classes.of_class(1));
/// assert_eq!((classes.samples(), classes.accuracy()), (4, evaluation.accuracy));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean loss over samples and replicas.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Share of right answers, over samples and replicas.
    #[serde(deserialize_with = "number")]
    pub accuracy: f64,
    /// Each replica's own.
    pub replicas: Vec<Scores>,
}

impl Evaluation {
    /// The first replica's metrics.
    pub fn metrics(&self) -> &Metrics {
        const NONE: &Metrics = &Metrics { classification: None, regression: None };
        self.replicas.first().map_or(NONE, |scores| &scores.metrics)
    }

    pub(super) fn of(replicas: Vec<Scores>) -> Self {
        let mean = |value: fn(&Scores) -> f64| replicas.iter().map(value).sum::<f64>() / replicas.len() as f64;
        Self { loss: mean(|s| s.loss), accuracy: mean(|s| s.accuracy), replicas }
    }
}

/// What is known when a run starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Where it runs.
    #[serde(flatten)]
    pub device: DeviceInfo,
    /// `784-128-10`
    pub architecture: String,
    /// Trained numbers of one replica.
    pub parameters: usize,
    /// R.
    pub replicas: usize,
    /// Whether answers are classes, of which some are right; values are never just right.
    pub classes: bool,
    /// Training samples.
    pub samples: usize,
    /// Steps an epoch.
    pub steps_per_epoch: usize,
    /// Epochs asked for.
    pub epochs: usize,
    /// Kernel launches a step.
    pub dispatches_per_step: usize,
    /// What layers hand on to each other is stored as.
    pub precision: Precision,
    /// The kernels of a training step; none on the CPU. Part of what the results' bits depend on.
    pub kernels: Vec<KernelChoice>,
    /// Whether the training set streams through the device in chunks.
    pub streamed: bool,
}

/// One step's loss, before its update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// From 1, since the model's training began.
    pub step: u64,
    /// Which replica.
    pub replica: usize,
    /// Mean loss of the batch.
    #[serde(deserialize_with = "number")]
    pub loss: f32,
    /// The norm of all gradients before they were clipped, where clipping by global norm computes it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub gradient_norm: Option<f64>,
}

/// How far an epoch has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 1.
    pub epoch: usize,
    /// Steps of the epoch that have finished.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Mean loss of the epoch so far, over all replicas.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Share of right answers of the epoch so far.
    #[serde(deserialize_with = "number")]
    pub accuracy: f64,
    /// Samples per second of the epoch so far, of all replicas together.
    #[serde(deserialize_with = "number")]
    pub samples_per_second: f64,
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Over the epoch's steps, each before its update.
    pub train: Evaluation,
    /// After the epoch, on the samples that the fit validates on ([`Fit::validate`](super::Fit::validate)), if there are any.
    /// Reports of earlier versions called it `test`, whatever samples it was of.
    #[serde(alias = "test")]
    pub validation: Option<Evaluation>,
    /// Each replica's learning rate at the epoch's last step.
    #[serde(default, deserialize_with = "numbers")]
    pub learning_rates: Vec<f32>,
    /// Seconds of training, without the validation.
    pub seconds: f64,
    /// Of training, of all replicas together.
    #[serde(deserialize_with = "number")]
    pub samples_per_second: f64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All epochs are done.
    Epochs,
    /// The limit on steps is reached.
    Steps,
    /// Early stopping.
    Stopped,
    /// [`Run::stop`](super::Run::stop) or [`Callback::stop`] asked for it.
    Asked,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// What was known at its start.
    pub run: RunInfo,
    /// Every epoch, those before an interruption included, the last one possibly cut short by a limit on steps.
    pub epochs: Vec<EpochReport>,
    /// Steps in all, those before an interruption included.
    pub steps: u64,
    /// Seconds in all, set-up and validation included, since the start or the interruption.
    pub seconds: f64,
    /// Seconds of training alone, before an interruption too.
    pub training_seconds: f64,
    /// Seconds from the start to the first step's loss.
    pub time_to_first_step: f64,
    /// Why it ended.
    pub end: End,
}

/// Is told how [`Trainer::fit`](super::Trainer::fit) goes, event by event ([`Event::tell`](super::Event::tell)). Every method
/// does nothing unless overridden.
pub trait Callback {
    /// Before the first step.
    fn on_start(&mut self, _run: &RunInfo) {}
    /// After each step, in order; up to a submission late, so that the device never waits.
    fn on_step(&mut self, _step: &StepReport) {}
    /// Now and then within an epoch.
    fn on_progress(&mut self, _progress: &Progress) {}
    /// After each epoch.
    fn on_epoch(&mut self, _epoch: &EpochReport) {}
    /// Whether to stop now. Asked between submissions, several times a second: the steps that are queued are finished, a
    /// checkpoint is written where the fit keeps any, and the fit returns with [`End::Asked`].
    fn stop(&mut self) -> bool {
        false
    }
}

/// Tells nobody.
impl Callback for () {}

/// Tells a closure of each epoch.
///
/// ```
/// use wgrad::{Activation::*, Adam, EpochReport, Loss::*, Sequential, Trainer, datasets, epochs};
///
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(4).build()?;
/// let mut losses = Vec::new();
/// trainer.fit(&datasets::xor()?, epochs(3), &mut |epoch: &EpochReport| losses.push(epoch.train.loss))?;
/// assert_eq!(losses.len(), 3);
/// # Ok::<(), wgrad::Error>(())
/// ```
impl<F: FnMut(&EpochReport)> Callback for F {
    fn on_epoch(&mut self, epoch: &EpochReport) {
        self(epoch);
    }
}

/// Tells it, if there is one.
impl<A: Callback> Callback for Option<A> {
    fn on_start(&mut self, run: &RunInfo) {
        self.iter_mut().for_each(|callback| callback.on_start(run));
    }
    fn on_step(&mut self, step: &StepReport) {
        self.iter_mut().for_each(|callback| callback.on_step(step));
    }
    fn on_progress(&mut self, progress: &Progress) {
        self.iter_mut().for_each(|callback| callback.on_progress(progress));
    }
    fn on_epoch(&mut self, epoch: &EpochReport) {
        self.iter_mut().for_each(|callback| callback.on_epoch(epoch));
    }
    fn stop(&mut self) -> bool {
        self.as_mut().is_some_and(Callback::stop)
    }
}

/// Tells both.
impl<A: Callback, B: Callback> Callback for (A, B) {
    fn on_start(&mut self, run: &RunInfo) {
        self.0.on_start(run);
        self.1.on_start(run);
    }
    fn on_step(&mut self, step: &StepReport) {
        self.0.on_step(step);
        self.1.on_step(step);
    }
    fn on_progress(&mut self, progress: &Progress) {
        self.0.on_progress(progress);
        self.1.on_progress(progress);
    }
    fn on_epoch(&mut self, epoch: &EpochReport) {
        self.0.on_epoch(epoch);
        self.1.on_epoch(epoch);
    }
    fn stop(&mut self) -> bool {
        self.0.stop() || self.1.stop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_of_an_older_checkpoint_keeps_its_validation() {
        let scores = r#"{"loss": 0.5, "accuracy": 0.75, "replicas": []}"#;
        let report = |name: &str| {
            let text = format!(
                r#"{{"epoch": 1, "train": {scores}, "{name}": {scores}, "seconds": 1.0, "samples_per_second": 2.0}}"#
            );
            serde_json::from_str::<EpochReport>(&text).unwrap()
        };
        assert_eq!(report("test"), report("validation"));
        assert_eq!(report("test").validation.map(|scores| scores.loss), Some(0.5));
        assert!(serde_json::to_value(report("test")).unwrap().get("validation").is_some());
    }
}
