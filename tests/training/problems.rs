//! What cannot be trained, and a run that diverges: a typed error that names the cause, and nothing lost.

use ndarray::Array2;
use wgrad::Activation::{Linear, Relu, Softmax, Tanh};
use wgrad::{Adam, Dataset, Error, Init, Loss, LossOptions, Sequential, Sgd, Trainer, epochs};

use crate::support::{bits, classifier, devices, images, surfaces};

fn refused(model: Sequential, loss: Loss) -> String {
    let error = Trainer::new(model, loss, Adam::new(0.01)).build().err().expect("is refused");
    assert!(matches!(error, Error::Spec { .. }) && error.is_usage());
    error.to_string()
}

#[test]
fn unsound_specs_are_refused_with_their_field() {
    let two = |activation, output| Sequential::new(4).dense(3, activation).dense(2, output);
    let cases = [
        (Sequential::new(4), Loss::SoftmaxCrossEntropy, "layers"),
        (Sequential::new(0).dense(2, Linear), Loss::SoftmaxCrossEntropy, "inputs"),
        (Sequential::new(4).dense(0, Linear), Loss::SoftmaxCrossEntropy, "layers.0.units"),
        (Sequential::new(4).dense(usize::MAX, Linear), Loss::SoftmaxCrossEntropy, "layers.0.units"),
        (two(Softmax, Linear), Loss::SoftmaxCrossEntropy, "layers.0.activation"),
        (
            Sequential::new(4).dense_with(2, Linear, Init::Constant(f32::NAN)),
            Loss::SoftmaxCrossEntropy,
            "layers.0.init",
        ),
        (two(Relu, Tanh), Loss::SoftmaxCrossEntropy, "output activation"),
        (two(Relu, Softmax), Loss::BinaryCrossEntropy, "output activation"),
        (two(Relu, Tanh), Loss::Hinge, "output activation"),
        (two(Relu, Tanh), Loss::KullbackLeibler, "output activation"),
    ];
    for (model, loss, field) in cases {
        let message = refused(model, loss);
        assert!(message.starts_with(field), "{message}");
    }
}

#[test]
fn unsound_hyper_parameters_are_refused_with_their_name() {
    let build = |sgd: Sgd, batch| Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, sgd).batch_size(batch).build();
    let cases = [
        (build(Sgd::new(f64::NAN), 8), "learning rate"),
        (build(Sgd::new(-0.1), 8), "learning rate"),
        (build(Sgd::new(0.1).momentum(1.0), 8), "momentum"),
        (build(Sgd::new(0.1).nesterov(), 8), "momentum"),
        (build(Sgd::new(0.1).weight_decay(f64::INFINITY), 8), "weight decay"),
        (build(Sgd::new(0.1), 0), "batch"),
        (build(Sgd::new(0.1), usize::MAX), "batch"),
    ];
    for (result, field) in cases {
        let message = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.starts_with(field), "{message}");
    }
}

#[test]
fn unsound_loss_options_are_refused_with_their_name() {
    let build = |loss, options| {
        let builder = Trainer::new(Sequential::new(4).dense(3, Linear), loss, Adam::new(0.01));
        builder.loss_options(options).build().err().map(|error| error.to_string()).unwrap_or_default()
    };
    let (ce, usual) = (Loss::SoftmaxCrossEntropy, LossOptions::default);
    let smooth = |label_smoothing| LossOptions { label_smoothing, ..usual() };
    let delta = |huber_delta| LossOptions { huber_delta, ..usual() };
    let weights = |class_weights: &[f32]| LossOptions { class_weights: class_weights.to_vec(), ..usual() };
    let cases = [
        (ce, smooth(1.0), "label smoothing: must be"),
        (ce, smooth(f32::NAN), "label smoothing: must be"),
        (Loss::Hinge, smooth(0.1), "label smoothing: is for"),
        (Loss::Huber, delta(0.0), "huber delta: must be"),
        (ce, delta(2.0), "huber delta: is for"),
        (ce, weights(&[1.0, 2.0]), "class weights: one for each of 3"),
        (ce, weights(&[1.0, -2.0, 1.0]), "class weights: class 1 has -2"),
        (ce, weights(&[0.0; 3]), "class weights: all are 0"),
    ];
    for (loss, options, wanted) in cases {
        let message = build(loss, options);
        assert!(message.starts_with(wanted), "{message}");
    }
}

#[test]
fn targets_that_a_loss_cannot_follow_are_refused_with_their_row() {
    let fit = |loss, values: [f32; 2], class_weights: &[f32]| {
        let x = Array2::from_elem((2, 1), 1.0);
        let y = ndarray::arr2(&[[0.0, 1.0], values]);
        let data = Dataset::regression(x.view(), y.view()).unwrap();
        let builder = Trainer::new(Sequential::new(1).dense(2, Linear), loss, Adam::new(0.01)).batch_size(2);
        let mut trainer = builder.class_weights(class_weights.to_vec()).build().unwrap();
        trainer.fit(&data, epochs(1), &mut ()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for loss in [Loss::SoftmaxCrossEntropy, Loss::KullbackLeibler] {
        let message = fit(loss, [0.5, 0.4], &[]);
        assert!(message.starts_with("targets") && message.contains("row 1 (from 0)"), "{message}");
        assert!(fit(loss, [1.5, -0.5], &[]).contains("has 1.5"));
        assert_eq!(fit(loss, [0.25, 0.75], &[]), "");
    }
    assert!(fit(Loss::BinaryCrossEntropy, [1.0, 1.5], &[]).contains("has 1.5"));
    assert!(fit(Loss::Hinge, [1.0, 0.5], &[]).contains("values of 0 or 1"));
    assert_eq!(fit(Loss::MeanSquaredError, [7.0, -0.5], &[]), "");
    assert!(fit(Loss::MeanSquaredError, [7.0, -0.5], &[1.0, 2.0]).starts_with("class weights"));
    assert_eq!(fit(Loss::SoftmaxCrossEntropy, [0.25, 0.75], &[1.0, 2.0]), "");
}

#[test]
fn data_that_do_not_fit_the_model_are_refused() {
    let trainer = |outputs, batch| {
        let model = Sequential::new(13).dense(outputs, Linear);
        Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(batch).build().unwrap()
    };
    let message =
        |result: wgrad::Result<wgrad::History>| result.err().map(|error| error.to_string()).unwrap_or_default();
    let too_few = message(trainer(3, 8).fit(&images(20), epochs(1), &mut ()));
    assert!(too_few.contains("labels") && too_few.contains('3'), "{too_few}");
    let too_large_a_batch = message(trainer(4, 21).fit(&images(20), epochs(1), &mut ()));
    assert!(too_large_a_batch.contains("21") && too_large_a_batch.contains("20"), "{too_large_a_batch}");
    let too_narrow = message(trainer(4, 8).fit(&surfaces(20), epochs(1), &mut ()));
    assert!(too_narrow.contains("(N, 13)"), "{too_narrow}");
    let model = Sequential::new(2).dense(2, Linear);
    let mut values = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(4).build().unwrap();
    let no_classes = message(values.fit(&surfaces(20), epochs(1), &mut ()));
    assert!(no_classes.starts_with("targets") && no_classes.contains("probabilities"), "{no_classes}");
    assert!(message(trainer(4, 8).fit(&images(20), epochs(0), &mut ())).starts_with("epochs"));
    assert!(trainer(4, 8).predict(Array2::<f32>::zeros((2, 12)).view()).is_err());
}

#[test]
fn a_run_that_diverges_says_where_and_goes_back_to_sound_weights() {
    let x = Array2::from_shape_fn((24, 2), |(n, i)| (n * (i + 1)) as f32);
    let data = Dataset::regression(x.view(), (&x * 3.0).view()).unwrap();
    for device in devices() {
        let model = Sequential::new(2).dense(2, Linear);
        let builder = Trainer::new(model, Loss::MeanSquaredError, Sgd::new(1e15)).batch_size(8).device(device);
        let mut trainer = builder.build().unwrap();
        let before = bits(&trainer.weights(0).unwrap());
        let error = trainer.fit(&data, epochs(4), &mut ()).expect_err("diverges");
        let Error::NonFinite { step, epoch, learning_rate, .. } = error else { panic!("{error}") };
        assert!(step >= 2 && epoch >= 1 && learning_rate == 1e15, "step {step}, epoch {epoch}");
        let after = trainer.weights(0).unwrap();
        assert!(after.iter().all(|tensor| tensor.values().iter().all(|w| w.is_finite())));
        if epoch == 1 {
            assert_eq!(bits(&after), before, "no epoch was finite: the model is the one before training");
        }
    }
}

#[test]
fn a_model_that_no_device_holds_is_refused_before_anything_is_allocated() {
    for device in devices() {
        let model = Sequential::new(13).dense(1 << 23, Relu).dense(1 << 23, Relu).dense(4, Linear);
        let builder = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).device(device);
        let error = builder.build().err().expect("is refused");
        let Error::Limit { wanted, had, .. } = &error else { panic!("{error}") };
        assert!(wanted > had, "{error}");
        assert!(error.is_usage());
    }
}
