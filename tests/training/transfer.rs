//! Weights that are taken over, layers that stay as they are, and new heads.

use wgrad::tensor::Role;
use wgrad::{Activation, Adam, Loss, ModelFile, NamedTensor, Sequential, Sgd, State, Trainer, epochs};

use crate::support::{bits, devices, images};

/// 13-9-7-O.
fn model(outputs: usize) -> Sequential {
    Sequential::new(13).dense(9, Activation::Relu).dense(7, Activation::Tanh).dense(outputs, Activation::Linear)
}

/// All numbers of one layer, as bits.
fn layer(file: &ModelFile, n: usize) -> Vec<u32> {
    let [below, to] = [n, n + 1].map(|layers| bits(&file.first_layers(layers).unwrap()));
    to[below.len()..].to_vec()
}

/// The state of the model 9-7-4 above the first layer.
fn without_first(whole: &State) -> State {
    let above = (1..3).flat_map(|n| ["weight", "bias"].map(|what| (n, what))).map(|(n, what)| {
        let own = whole.get(&format!("layers.{n}.{what}")).unwrap();
        NamedTensor::new(format!("layers.{}.{what}", n - 1), own.shape(), own.values().to_vec()).unwrap()
    });
    State::from_tensors(above).unwrap()
}

#[test]
fn frozen_layers_keep_every_bit_and_the_others_learn() {
    let data = images(60);
    for device in devices() {
        for frozen in 0..3 {
            let builder = Trainer::new(model(4), Loss::SoftmaxCrossEntropy, Adam::new(0.02)).batch_size(8);
            // Limits on norms must not touch them either.
            let builder = builder.clip(wgrad::spec::Clip::Norm(5.0)).max_norm(0.7);
            let mut trainer = builder.device(device.clone()).freeze(frozen).build().unwrap();
            let before = trainer.to_file(0).unwrap();
            let loss = trainer.evaluate(&data).unwrap().loss;
            trainer.fit(&data, epochs(4), &mut ()).unwrap();
            let after = trainer.to_file(0).unwrap();
            for n in 0..3 {
                let same = layer(&before, n) == layer(&after, n);
                assert_eq!(same, n < frozen, "layer {n} with {frozen} frozen");
            }
            assert!(trainer.evaluate(&data).unwrap().loss < loss);
        }
    }
}

#[test]
fn training_above_frozen_layers_is_training_on_their_outputs() {
    let data = images(60);
    for device in devices() {
        // The frozen part alone, and a model of the rest on what that gives.
        let builder = Trainer::new(model(4), Loss::SoftmaxCrossEntropy, Sgd::new(0.05).momentum(0.9)).batch_size(8);
        let mut whole = builder.device(device.clone()).freeze(1).build().unwrap();
        let start = whole.to_file(0).unwrap();
        let below = Sequential::new(13).dense(9, Activation::Relu);
        let mut below =
            Trainer::new(below, Loss::MeanSquaredError, Adam::new(0.1)).device(device.clone()).build().unwrap();
        below.set_weights(&start.first_layers(1).unwrap()).unwrap();
        let features = below.predict(data.features().clone()).unwrap();
        let wgrad::Targets::Classes(labels) = data.targets() else { panic!("images have classes") };
        let on_features = wgrad::Dataset::classification(features.view(), labels).unwrap();
        let above = Sequential::new(9).dense(7, Activation::Tanh).dense(4, Activation::Linear);
        let builder = Trainer::new(above, Loss::SoftmaxCrossEntropy, Sgd::new(0.05).momentum(0.9)).batch_size(8);
        let mut above = builder.device(device.clone()).build().unwrap();
        above.set_weights(&without_first(&start.weights)).unwrap();
        whole.fit(&data, epochs(3), &mut ()).unwrap();
        above.fit(&on_features, epochs(3), &mut ()).unwrap();
        let (whole, above) = (whole.weights(0).unwrap(), above.weights(0).unwrap());
        let whole = without_first(&whole);
        for name in ["layers.0.weight", "layers.1.weight"] {
            // Two ways of rounding the same sums, over 24 steps.
            let difference = &whole.matrix(name).unwrap() - &above.matrix(name).unwrap();
            let largest = difference.iter().fold(0.0, |largest: f32, own| largest.max(own.abs()));
            assert!(largest < 1e-4, "{name}: {largest}");
        }
    }
}

#[test]
fn a_frozen_layer_has_no_steps_and_too_many_are_refused() {
    let builder = |frozen| {
        Trainer::new(model(4), Loss::SoftmaxCrossEntropy, Adam::new(0.02)).batch_size(8).freeze(frozen).build()
    };
    let steps = |frozen| {
        let plan = builder(frozen).unwrap().plan(&images(60)).unwrap();
        assert!(plan.tensors.iter().any(|tensor| tensor.role == Role::Parameter));
        plan.program(wgrad::plan::ProgramId::Train).steps.len()
    };
    // Each frozen layer saves its update and the input gradient above it.
    assert_eq!([0, 1, 2].map(steps), [8, 6, 4]);
    let error = builder(3).err().expect("nothing is left").to_string();
    assert!(error.contains("freeze") && error.contains("at most 2"), "{error}");
}

#[test]
fn a_new_head_goes_on_layers_that_are_taken_over() {
    let data = images(60);
    for device in devices() {
        let build = |outputs| {
            let builder = Trainer::new(model(outputs), Loss::SoftmaxCrossEntropy, Adam::new(0.02)).batch_size(8);
            builder.device(device.clone()).seed(outputs as u64).freeze(2).build().unwrap()
        };
        let mut first = build(4);
        first.fit(&data, epochs(1), &mut ()).unwrap();
        let (learned, mut second) = (first.to_file(0).unwrap(), build(6));
        let (body, head) = (learned.first_layers(2).unwrap(), layer(&second.to_file(0).unwrap(), 2));
        second.set_first_layers(&body).unwrap();
        let now = second.weights(0).unwrap();
        assert_eq!(bits(&now), [bits(&body), head].concat());
        second.fit(&data, epochs(2), &mut ()).unwrap();
        assert_eq!(bits(&second.to_file(0).unwrap().first_layers(2).unwrap()), bits(&body));
        let error = second.set_first_layers(&learned.weights).expect_err("the head is another").to_string();
        assert!(error.contains("layers.2.weight") && error.contains("(6, 7)"), "{error}");
        let before = bits(&second.weights(0).unwrap());
        let mut part = body;
        part.remove("layers.0.bias").unwrap();
        let error = second.set_first_layers(&part).expect_err("a tensor is missing").to_string();
        assert!(error.contains("layers.0.bias (9) is missing"), "{error}");
        assert_eq!(bits(&second.weights(0).unwrap()), before);
    }
}
