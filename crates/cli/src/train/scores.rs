//! The final model's scores on each part of the data.

use serde::Serialize;
use wgrad::{Dataset, Evaluation, Scores, Targets, Trainer};

use crate::Result;
use crate::table::Table;

/// The most weights of a one-layer model that are printed in full.
const FEW: usize = 8;

/// Scores on each part, and how large the parts are. Of several replicas the means come first.
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
    #[serde(flatten)]
    means: Parts,
    /// Each replica's own, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replicas: Vec<ReplicaScores>,
    /// Of a model that is one small layer: its weights (O, I) and biases.
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<SmallLayer>,
}

#[derive(Clone, Copy, Serialize)]
struct Parts {
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
    /// Of a regression: the share of the targets' variance that the model explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_r2: Option<f64>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_r2: Option<f64>,
}

#[derive(Serialize)]
struct ReplicaScores {
    seed: u64,
    #[serde(flatten)]
    parts: Parts,
}

#[derive(Serialize)]
struct SmallLayer {
    weight: Vec<Vec<f32>>,
    bias: Vec<f32>,
}

impl Parts {
    /// Of one replica, or the means of all.
    fn of(validated: Option<&Evaluation>, tested: Option<&Evaluation>, replica: Option<usize>) -> Self {
        let mean = |evaluation: &Evaluation, value: &dyn Fn(&Scores) -> Option<f64>| match replica {
            Some(replica) => evaluation.replicas.get(replica).and_then(value),
            None => {
                let all: Option<Vec<f64>> = evaluation.replicas.iter().map(value).collect();
                all.map(|all| all.iter().sum::<f64>() / all.len() as f64)
            }
        };
        let loss = |part: Option<&Evaluation>| part.and_then(|own| mean(own, &|scores| Some(scores.loss)));
        let accuracy = |part: Option<&Evaluation>| part.and_then(|own| mean(own, &|scores| Some(scores.accuracy)));
        let r2 = |part: Option<&Evaluation>| part.and_then(|own| mean(own, &r2));
        Self {
            validation_loss: loss(validated),
            validation_accuracy: accuracy(validated),
            validation_r2: r2(validated),
            test_loss: loss(tested),
            test_accuracy: accuracy(tested),
            test_r2: r2(tested),
        }
    }
}

fn r2(scores: &Scores) -> Option<f64> {
    scores.metrics.regression.as_ref().map(|regression| regression.r2)
}

impl Scored {
    /// The scores that the run ended with, `watched`, are the final ones of the part that each epoch was validated on, unless
    /// weights of another epoch were restored (`restored`). Everything else is evaluated now.
    pub fn new(
        trainer: &mut Trainer,
        (train_scores, watched): (&Evaluation, Option<Evaluation>),
        restored: bool,
        (train, validation, test): (&Dataset, Option<&Dataset>, Option<&Dataset>),
    ) -> Result<Self> {
        let regression = matches!(train.targets(), Targets::Values(_));
        // Epochs are compared by loss and accuracy alone.
        let watched = watched.filter(|_| !restored && !regression);
        let mut judge = |data: Option<&Dataset>, watched: Option<Evaluation>| match (data, watched) {
            (Some(_), Some(watched)) => Ok(Some(watched)),
            // Of classes nothing is told but loss and accuracy: no counts, and no ranking, whose memory no report knows.
            (Some(data), None) if regression => trainer.evaluate(data).map(Some),
            (Some(data), None) => trainer.validate(data).map(Some),
            (None, _) => Ok(None),
        };
        let (first, second) = if validation.is_some() { (watched, None) } else { (None, watched) };
        let (validated, tested) = (judge(validation, first)?, judge(test, second)?);
        let parts = |replica| Parts::of(validated.as_ref(), tested.as_ref(), replica);
        let seeds = trainer.spec().replicas.iter().map(|replica| replica.seed).enumerate();
        let replicas: Vec<_> =
            seeds.map(|(replica, seed)| ReplicaScores { seed, parts: parts(Some(replica)) }).collect();
        Ok(Self {
            task: if regression { "regression" } else { "classification" },
            samples: train.len(),
            validation_samples: validation.map(Dataset::len),
            test_samples: test.map(Dataset::len),
            classes: train.preprocessing().map(|known| known.classes.clone()).unwrap_or_default(),
            train_loss: train_scores.loss,
            train_accuracy: train_scores.accuracy,
            means: parts(None),
            replicas: if replicas.len() > 1 { replicas } else { Vec::new() },
            layer: SmallLayer::of(trainer)?,
        })
    }

    pub fn list(&self, list: &mut Table) {
        let Parts { validation_loss, validation_accuracy, validation_r2, test_loss, test_accuracy, test_r2 } =
            self.means;
        let validation: [fn(&Parts) -> Option<f64>; 2] = [|own| own.validation_accuracy, |own| own.validation_r2];
        let test: [fn(&Parts) -> Option<f64>; 2] = [|own| own.test_accuracy, |own| own.test_r2];
        let parts = [
            ("test", test_loss, test_accuracy, test_r2, test),
            ("validation", validation_loss, validation_accuracy, validation_r2, validation),
        ];
        for (part, loss, accuracy, r2, [own_accuracy, own_r2]) in parts {
            let (Some(loss), Some(accuracy)) = (loss, accuracy) else { continue };
            if self.task == "classification" {
                let range = self.range(own_accuracy, |value| format!("{:.2}%", 100.0 * value));
                list.entry(&format!("{part} accuracy"), format!("{:.2}%{range}", 100.0 * accuracy));
                self.list_right(list, part, own_accuracy);
            }
            if let Some(r2) = r2 {
                list.entry(
                    &format!("{part} R2"),
                    format!("{r2:.4}{}", self.range(own_r2, |value| format!("{value:.4}"))),
                );
            }
            list.entry(&format!("{part} loss"), format!("{loss:.4}"));
        }
        if test_loss.is_none() && validation_loss.is_none() {
            list.entry("train loss", format!("{:.4}", self.train_loss));
        }
        if let Some(SmallLayer { weight, bias }) = &self.layer {
            let text = |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ");
            list.entry("weights", weight.iter().map(|row| text(row)).collect::<Vec<_>>().join("; "));
            list.entry("biases", text(bias));
        }
        let part =
            |count: Option<usize>, name: &str| count.map_or_else(String::new, |count| format!(", {count} {name}"));
        let (validation, test) = (part(self.validation_samples, "validation"), part(self.test_samples, "test"));
        list.entry("samples", format!("{} training{validation}{test}", self.samples));
    }

    /// `; 90% to 100% over 10 replicas`, where there are several.
    fn range(&self, value: fn(&Parts) -> Option<f64>, text: impl Fn(f64) -> String) -> String {
        let values: Vec<f64> = self.replicas.iter().filter_map(|replica| value(&replica.parts)).collect();
        if values.is_empty() {
            return String::new();
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("; {} to {} over {} replicas", text(least), text(most), values.len())
    }

    /// How many of several replicas predict every sample correctly.
    fn list_right(&self, list: &mut Table, part: &str, accuracy: fn(&Parts) -> Option<f64>) {
        if self.replicas.is_empty() {
            return;
        }
        let right = self.replicas.iter().filter(|replica| accuracy(&replica.parts) == Some(1.0)).count();
        list.entry(&format!("all {part} predictions correct"), format!("{right} of {} replicas", self.replicas.len()));
    }
}

impl SmallLayer {
    fn of(trainer: &mut Trainer) -> Result<Option<Self>> {
        let model = trainer.model();
        if model.layers.len() != 1 || model.inputs * model.outputs() > FEW || trainer.spec().replicas.len() > 1 {
            return Ok(None);
        }
        let weights = trainer.weights(0)?;
        let weight = weights.matrix("layers.0.weight")?.rows().into_iter().map(|row| row.to_vec()).collect();
        Ok(Some(Self { weight, bias: weights.vector("layers.0.bias")?.to_vec() }))
    }
}
