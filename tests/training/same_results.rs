//! What must not change the result: streaming, stopping in between, evaluating in between, the form of the samples.

use ndarray::Array2;
use wgrad::{
    Adam, Dataset, Features, Loss, Optimizer, OptimizerSpec, Replica, Targets, Trainer, TrainerBuilder, epochs,
};

use crate::support::{bits, classifier, devices, images};

fn two_replicas() -> Vec<Replica> {
    let adam = OptimizerSpec::from(Adam::new(0.01));
    assert!(matches!(adam.optimizer, Optimizer::Adam { .. }));
    let second = Replica { learning_rate: 0.003, momentum: 0.8, ..Replica::new(9, &adam) };
    vec![Replica::new(5, &adam), second]
}

fn builder() -> TrainerBuilder {
    Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8).replicas(two_replicas())
}

fn weights(trainer: &mut Trainer) -> [Vec<u32>; 2] {
    [0, 1].map(|replica| bits(&trainer.weights(replica).unwrap()))
}

#[test]
fn streaming_gives_the_same_bits_as_a_resident_dataset() {
    let data = images(85); // ten batches of 8 and one of 5
    for device in devices() {
        let mut resident = builder().device(device.clone()).build().unwrap();
        let whole = resident.fit(&data, epochs(2), &mut ()).unwrap();
        assert!(!whole.run.streamed);
        // 3 steps of 2 replicas and 8 rows at 13 bytes are 624: chunks of 3, 3, 3 and 2 steps.
        let mut streaming = builder().device(device).streaming_above(630).build().unwrap();
        let chunked = streaming.fit(&data, epochs(2), &mut ()).unwrap();
        assert!(chunked.run.streamed);
        assert_eq!(weights(&mut resident), weights(&mut streaming));
        assert_eq!(whole.epochs[1].train, chunked.epochs[1].train);
    }
}

/// Weights differ from sample to sample, and are whole numbers of a fourth, so that sums are exact in any order.
fn weighted(samples: usize) -> Dataset {
    images(samples).with_weights((0..samples).map(|n| (n % 7) as f32 / 4.0).collect()).unwrap()
}

#[test]
fn weights_stream_with_their_samples_and_replicas_have_their_own() {
    let data = weighted(85);
    let builder = || builder().class_weights(vec![1.0, 0.5, 2.0, 0.25]);
    for device in devices() {
        let mut resident = builder().device(device.clone()).build().unwrap();
        let whole = resident.fit(&data, epochs(2).validate(&data), &mut ()).unwrap();
        let mut streaming = builder().device(device.clone()).streaming_above(630).build().unwrap();
        let chunked = streaming.fit(&data, epochs(2).validate(&data), &mut ()).unwrap();
        assert!(chunked.run.streamed);
        assert_eq!(weights(&mut resident), weights(&mut streaming));
        for (whole, chunked) in whole.epochs.iter().zip(&chunked.epochs) {
            assert_eq!((&whole.train, &whole.validation), (&chunked.train, &chunked.validation));
        }
        for (r, replica) in two_replicas().into_iter().enumerate() {
            let mut alone = builder().device(device.clone()).replicas(vec![replica]).build().unwrap();
            alone.fit(&data, epochs(2), &mut ()).unwrap();
            assert_eq!(bits(&resident.weights(r).unwrap()), bits(&alone.weights(0).unwrap()), "replica {r}");
        }
    }
}

/// A sample that counts twice is one that is there twice; one that counts nothing is not there.
#[test]
fn a_weight_is_how_often_a_sample_is_there() {
    let data = images(40);
    let Features::U8(pixels) = data.features() else { panic!() };
    let Targets::Classes(labels) = data.targets() else { panic!() };
    let rows: Vec<usize> = (0..40).flat_map(|n| std::iter::repeat_n(n, n % 3)).collect();
    let repeated = pixels.select(ndarray::Axis(0), &rows);
    let repeated = Dataset::from_images("repeated", repeated, rows.iter().map(|n| labels[*n]).collect()).unwrap();
    let weighted = data.clone().with_weights((0..40).map(|n| (n % 3) as f32).collect()).unwrap();
    for device in devices() {
        let run = |data: &Dataset| {
            // Whole batches, in which the order does not matter but to the last bits.
            let mut trainer = builder().batch_size(data.len()).device(device.clone()).build().unwrap();
            trainer.fit(data, epochs(3), &mut ()).unwrap();
            (trainer.evaluate(data).unwrap().loss, trainer.weights(0).unwrap())
        };
        let ((loss, had), (wanted_loss, wanted)) = (run(&weighted), run(&repeated));
        assert!((loss - wanted_loss).abs() < 1e-6 * wanted_loss, "{loss} {wanted_loss}");
        for name in ["layers.0.weight", "layers.1.weight"] {
            // Adam divides by the gradient's size, so that the smallest gradients' rounding shows.
            let difference = &had.matrix(name).unwrap() - &wanted.matrix(name).unwrap();
            assert!(difference.iter().all(|own| own.abs() < 1e-5), "{name}: {difference}");
        }
    }
}

#[test]
fn a_batch_without_any_weight_changes_nothing() {
    let data = images(16).with_weights((0..16).map(|n| if n < 8 { 0.0 } else { 1.0 }).collect()).unwrap();
    for device in devices() {
        let sgd = wgrad::Sgd::new(0.1);
        let builder = Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, sgd).batch_size(8).shuffle(false);
        let mut trainer = builder.device(device).build().unwrap();
        let before = bits(&trainer.weights(0).unwrap());
        trainer.fit(&data, epochs(1).steps(Some(1)), &mut ()).unwrap();
        assert_eq!(bits(&trainer.weights(0).unwrap()), before);
        let history = trainer.fit(&data, epochs(1), &mut ()).unwrap();
        assert!(history.epochs[0].train.loss > 0.1);
        assert_ne!(bits(&trainer.weights(0).unwrap()), before);
    }
}

#[test]
fn stopping_and_evaluating_between_epochs_changes_nothing() {
    let data = images(40);
    for device in devices() {
        let mut whole = builder().device(device.clone()).build().unwrap();
        whole.fit(&data, epochs(3), &mut ()).unwrap();
        let mut parts = builder().device(device).build().unwrap();
        for _ in 0..3 {
            parts.fit(&data, epochs(1).validate(&data), &mut ()).unwrap();
            parts.predict(data.features().clone()).unwrap();
        }
        assert_eq!(weights(&mut whole), weights(&mut parts));
    }
}

#[test]
fn a_replica_equals_its_own_single_run() {
    let data = images(43);
    for device in devices() {
        let mut together = builder().device(device.clone()).build().unwrap();
        together.fit(&data, epochs(2), &mut ()).unwrap();
        for (r, replica) in two_replicas().into_iter().enumerate() {
            let mut alone = builder().device(device.clone()).replicas(vec![replica]).build().unwrap();
            alone.fit(&data, epochs(2), &mut ()).unwrap();
            assert_eq!(bits(&together.weights(r).unwrap()), bits(&alone.weights(0).unwrap()), "replica {r}");
        }
    }
}

#[test]
fn bytes_train_as_the_same_numbers_in_f32() {
    let bytes = images(40);
    let (Features::U8(pixels), Targets::Classes(labels)) = (bytes.features(), bytes.targets()) else { panic!() };
    let scaled: Array2<f32> = pixels.mapv(|p| f32::from(p) * (1.0 / 255.0));
    let floats = Dataset::classification(scaled.view(), labels).unwrap();
    for device in devices() {
        let run = |data: &Dataset| {
            let mut trainer = builder().device(device.clone()).build().unwrap();
            trainer.fit(data, epochs(2), &mut ()).unwrap();
            weights(&mut trainer)
        };
        assert_eq!(run(&bytes), run(&floats));
    }
}
