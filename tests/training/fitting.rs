//! What training reaches, and what it reports.

use ndarray::{Array2, Axis, array};
use wgrad::Activation::{Linear, Relu, Sigmoid, Softmax, Tanh};
use wgrad::Loss::{BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy};
use wgrad::{
    Adam, Callback, Dataset, EpochReport, Features, OptimizerSpec, Progress, Replica, Sequential, Sgd, StepReport,
    Targets, Trainer, epochs,
};

use crate::support::{bits, classifier, devices, images, surfaces};

#[test]
fn classes_are_learned_by_every_loss() {
    let data = images(120);
    for device in devices() {
        for loss in [SoftmaxCrossEntropy, BinaryCrossEntropy, MeanSquaredError] {
            let builder = Trainer::new(classifier(), loss, Adam::new(0.02)).batch_size(16).device(device.clone());
            let mut trainer = builder.build().unwrap();
            trainer.fit(&data, epochs(15), &mut ()).unwrap();
            let accuracy = trainer.evaluate(&data).unwrap().accuracy;
            assert!(accuracy > 0.95, "{loss}: accuracy {accuracy}");
        }
    }
}

#[test]
fn surfaces_are_fitted_by_regression() {
    let data = surfaces(200);
    for device in devices() {
        let model = Sequential::new(2).dense(16, Tanh).dense(2, Linear);
        let mut trainer =
            Trainer::new(model, MeanSquaredError, Adam::new(0.02)).batch_size(20).device(device).build().unwrap();
        trainer.fit(&data, epochs(60), &mut ()).unwrap();
        let loss = trainer.evaluate(&data).unwrap().loss;
        assert!(loss < 0.01, "loss {loss}");
        let answer = trainer.predict(array![[0.5f32, -0.5]].view()).unwrap();
        assert!((answer[[0, 0]] - 3.5).abs() < 0.3 && (answer[[0, 1]] + 0.25).abs() < 0.2, "{answer}");
    }
}

#[test]
fn a_single_output_takes_two_classes() {
    let x = array![[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let or = Dataset::classification(x.view(), &[0, 1, 1, 1]).unwrap();
    for device in devices() {
        for (loss, output) in [(BinaryCrossEntropy, Linear), (BinaryCrossEntropy, Sigmoid), (MeanSquaredError, Sigmoid)]
        {
            let model = Sequential::new(2).dense(1, output);
            let builder = Trainer::new(model, loss, Sgd::new(2.0).momentum(0.5)).batch_size(4).device(device.clone());
            let mut trainer = builder.build().unwrap();
            trainer.fit(&or, epochs(60), &mut ()).unwrap();
            assert_eq!(trainer.evaluate(&or).unwrap().accuracy, 1.0, "{loss} {output}");
            let probability = trainer.predict(x.view()).unwrap();
            assert!(probability[[0, 0]] < 0.5 && probability[[3, 0]] > 0.5, "{probability}");
        }
    }
}

#[test]
fn predictions_of_the_cross_entropies_are_probabilities() {
    let data = images(50);
    for device in devices() {
        for output in [Linear, Softmax] {
            let model = Sequential::new(13).dense(4, output);
            let mut trainer =
                Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.01)).device(device.clone()).build().unwrap();
            let probabilities = trainer.predict(data.features().clone()).unwrap();
            let sums = probabilities.sum_axis(Axis(1));
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums}");
            let logits = trainer.outputs(data.features().clone()).unwrap();
            let by_hand = logits.index_axis(Axis(0), 0).mapv(f32::exp);
            let by_hand = &by_hand / &by_hand.sum_axis(Axis(1)).insert_axis(Axis(1));
            let largest = (&probabilities - &by_hand).mapv(f32::abs).fold(0.0, |a: f32, b| a.max(*b));
            assert!(largest < 1e-5, "{largest}");
        }
    }
}

/// Counts what it is told.
#[derive(Default)]
struct Heard {
    steps: Vec<StepReport>,
    epochs: Vec<EpochReport>,
    progress: Vec<Progress>,
}

impl Callback for Heard {
    fn on_step(&mut self, step: &StepReport) {
        self.steps.push(*step);
    }
    fn on_epoch(&mut self, epoch: &EpochReport) {
        self.epochs.push(epoch.clone());
    }
    fn on_progress(&mut self, progress: &Progress) {
        self.progress.push(*progress);
    }
}

#[test]
fn callbacks_hear_every_step_and_the_right_means() {
    let data = images(21);
    for device in devices() {
        let builder = Trainer::new(classifier(), SoftmaxCrossEntropy, Sgd::new(0.1)).batch_size(8).device(device);
        let mut trainer = builder.build().unwrap();
        let mut heard = Heard::default();
        let history = trainer.fit(&data, epochs(2), &mut heard).unwrap();
        let numbers: Vec<u64> = heard.steps.iter().map(|step| step.step).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        // Batches of 8, 8 and 5: the epoch's loss is the mean over samples, not over batches.
        let sizes = [8.0, 8.0, 5.0];
        let mean = heard.steps[..3].iter().zip(sizes).map(|(s, n)| f64::from(s.loss) * n).sum::<f64>() / 21.0;
        assert!((mean - heard.epochs[0].train.loss).abs() < 1e-6 * mean);
        assert_eq!(history.epochs, heard.epochs);
        assert_eq!((history.steps, heard.progress.last().unwrap().step), (6, 3));
        assert!(history.time_to_first_step > 0.0 && history.time_to_first_step <= history.seconds);
    }
}

#[test]
fn a_limit_on_steps_stops_within_an_epoch() {
    let data = images(40);
    for device in devices() {
        let builder = Trainer::new(classifier(), SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8).device(device);
        let mut trainer = builder.build().unwrap();
        let mut heard = Heard::default();
        let history = trainer.fit(&data, epochs(9).steps(Some(7)), &mut heard).unwrap();
        assert_eq!((heard.steps.len(), history.steps, history.epochs.len()), (7, 7, 2));
    }
}

#[test]
fn a_model_without_a_hidden_layer_trains_on_all_device_sizes() {
    let x = Array2::from_shape_fn((3, 1), |(n, _)| n as f32);
    let line = Dataset::regression(x.view(), (&x * 2.0).view()).unwrap();
    for device in devices() {
        let model = Sequential::new(1).dense(1, Relu);
        let builder = Trainer::new(model, MeanSquaredError, Adam::new(0.1)).batch_size(1).device(device);
        builder.build().unwrap().fit(&line, epochs(2), &mut ()).unwrap();
    }
}

/// Validation looks on: whatever weights its samples have, training goes the same way.
#[test]
fn validation_changes_nothing_of_the_training() {
    let data = images(60);
    let weighted = images(40).with_weights((0..40).map(|n| n as f32 / 7.0).collect()).unwrap();
    for device in devices() {
        let trained = |validation: &Dataset, replicas: u64| {
            let adam = OptimizerSpec::from(Adam::new(0.02));
            let builder = Trainer::new(classifier(), SoftmaxCrossEntropy, adam).batch_size(16).device(device.clone());
            let replicas = (0..replicas).map(|seed| Replica::new(seed, &adam)).collect();
            let mut trainer = builder.replicas(replicas).build().unwrap();
            let history = trainer.fit(&data, epochs(3).validate(validation), &mut ()).unwrap();
            (
                bits(&trainer.weights(0).unwrap()),
                history.run.streamed,
                history.epochs[2].validation.clone().unwrap().loss,
            )
        };
        for replicas in [1, 2] {
            let (alike, other) = (trained(&images(40), replicas), trained(&weighted, replicas));
            assert_eq!((alike.0, alike.1), (other.0, other.1), "{replicas} on {:?}", device.info());
            assert_ne!(alike.2, other.2);
        }
    }
}

/// Another kind of rows or answers would need another plan in the middle of training.
#[test]
fn a_validation_set_of_another_kind_is_refused() {
    let data = images(60);
    let Features::U8(pixels) = data.features() else { panic!("bytes") };
    let Targets::Classes(labels) = data.targets() else { panic!("classes") };
    let numbers = pixels.mapv(|pixel| f32::from(pixel) / 255.0);
    let shares = Array2::from_shape_fn((60, 4), |(n, o)| f32::from(u8::from(labels[n] == o as u32)));
    let others = [
        (Dataset::classification(numbers.view(), labels).unwrap(), "f32 with class labels"),
        (Dataset::image_regression(pixels.clone(), shares).unwrap(), "(N, 4) values"),
    ];
    for (validation, word) in others {
        let builder = Trainer::new(classifier(), SoftmaxCrossEntropy, Adam::new(0.02)).batch_size(16);
        let error = builder.build().unwrap().fit(&data, epochs(2).validate(&validation), &mut ()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("validate: ")
                && text.contains(word)
                && text.contains("u8 with class labels, as in the training part"),
            "{text}"
        );
    }
}
