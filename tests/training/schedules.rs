//! Schedules, clipping and max-norm where they meet replicas and checkpoints.

use wgrad::spec::Schedule;
use wgrad::{AdamW, Callback, Clip, Loss, OptimizerSpec, Replica, StepReport, Trainer, TrainerBuilder, epochs};

use crate::support::{bits, classifier, devices, images};

const PLATEAU: Schedule = Schedule::Plateau { factor: 0.5, patience: 0, threshold: 0.2, cooldown: 0, minimum: 0.0 };

/// Three models of different learning rate, penalties and schedule.
fn replicas() -> Vec<Replica> {
    let adam = OptimizerSpec::from(AdamW::new(0.02));
    let one = Replica { schedule: Schedule::ONE_CYCLE, l1: 1e-3, ..Replica::new(5, &adam) };
    let cosine = Schedule::Cosine { warmup: 0.7, minimum: 1e-3 };
    let two = Replica { schedule: cosine, learning_rate: 0.05, weight_decay: 0.2, ..Replica::new(6, &adam) };
    vec![one, two, Replica { schedule: PLATEAU, learning_rate: 0.2, ..Replica::new(7, &adam) }]
}

fn builder(replicas: Vec<Replica>) -> TrainerBuilder {
    let builder = Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, AdamW::new(0.02)).batch_size(8);
    builder.replicas(replicas).clip(Clip::Norm(0.5)).max_norm(0.8).decay_biases(false)
}

#[test]
fn each_of_several_replicas_is_the_model_trained_alone() {
    let data = images(43);
    for device in devices() {
        let mut together = builder(replicas()).device(device.clone()).build().unwrap();
        let history = together.fit(&data, epochs(4).validate(&data), &mut ()).unwrap();
        let rates = &history.epochs[3].learning_rates;
        assert!(rates[0] < 1e-6 && rates[2] < 0.2 && rates[2] > 0.0, "{rates:?}");
        for (r, replica) in replicas().into_iter().enumerate() {
            let mut alone = builder(vec![replica]).device(device.clone()).build().unwrap();
            alone.fit(&data, epochs(4).validate(&data), &mut ()).unwrap();
            assert_eq!(bits(&alone.weights(0).unwrap()), bits(&together.weights(r).unwrap()), "replica {r}");
        }
    }
}

#[test]
fn a_resumed_fit_goes_on_along_its_schedules() {
    let (data, place) = (images(43), tempfile::tempdir().unwrap());
    for device in devices() {
        let mut whole = builder(replicas()).device(device.clone()).build().unwrap();
        whole.fit(&data, epochs(4), &mut ()).unwrap();
        let checkpoints = wgrad::train::Checkpoints::in_directory(place.path());
        let mut first = builder(replicas()).device(device.clone()).build().unwrap();
        // Six steps an epoch: it stops within the third.
        first.fit(&data, epochs(4).steps(Some(15)).checkpoints(Some(&checkpoints)), &mut ()).unwrap();
        let mut second = builder(replicas()).device(device).resume(place.path()).unwrap();
        second.fit(&data, epochs(4), &mut ()).unwrap();
        for r in 0..3 {
            assert_eq!(bits(&whole.weights(r).unwrap()), bits(&second.weights(r).unwrap()), "replica {r}");
        }
    }
}

/// The norms that each step tells.
#[derive(Default)]
struct Norms(Vec<f64>);

impl Callback for Norms {
    fn on_step(&mut self, step: &StepReport) {
        self.0.extend(step.gradient_norm);
    }
}

#[test]
fn norms_are_told_where_they_are_computed_and_weights_stay_within_theirs() {
    let data = images(43);
    for device in devices() {
        let mut norms = Norms::default();
        let mut trainer = builder(replicas()).device(device.clone()).build().unwrap();
        let history = trainer.fit(&data, epochs(2), &mut norms).unwrap();
        assert_eq!(norms.0.len(), 3 * 12);
        assert!(norms.0.iter().all(|norm| norm.is_finite() && *norm > 0.0), "{:?}", norms.0);
        // 3 L - 1, and of each layer a norm, an update and a max-norm, and the clipping.
        assert_eq!(history.run.dispatches_per_step, 5 + 3 * 2 + 1);
        let weights = trainer.weights(1).unwrap();
        for name in ["layers.0.weight", "layers.1.weight"] {
            let weight = weights.matrix(name).unwrap();
            assert!(weight.rows().into_iter().all(|row| row.dot(&row).sqrt() < 0.8001));
        }
        let mut plain = Norms::default();
        let mut trainer = builder(replicas()).clip(Clip::Value(0.5)).device(device).build().unwrap();
        trainer.fit(&data, epochs(1), &mut plain).unwrap();
        assert!(plain.0.is_empty());
    }
}
