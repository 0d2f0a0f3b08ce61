use ndarray::s;

use super::*;
use crate::ops::{Activation::*, Loss::*};
use crate::plan::Plan;
use crate::random::{Purpose, Stream};
use crate::spec::Adam;
use crate::tensor::{Role, Tensor};
use crate::train::Trainer;
use crate::verify::test_gpu;

/// Rows of which a third of the numbers and some columns are zero, as images have them.
fn rows(count: usize, inputs: usize) -> Array2<f32> {
    let mut stream = Stream::new(3, Purpose::Inputs, 0);
    Array2::from_shape_fn((count, inputs), |(_, column)| {
        let (x, zero) = (stream.symmetric(1.0), stream.word().is_multiple_of(3));
        if zero || column % 5 == 0 { 0.0 } else { x }
    })
}

fn models() -> [Sequential; 3] {
    [
        Sequential::new(90).dense(70, Relu).dense(10, Linear),
        Sequential::new(1700).dense(33, Gelu).dense(3, Linear),
        Sequential::new(30).dense(20, Tanh).batch_norm().dense(20, Silu).residual(1).layer_norm().dense(5, Linear),
    ]
}

fn trainer(model: &Sequential, device: Device) -> Trainer {
    Trainer::new(model.clone(), SoftmaxCrossEntropy, Adam::new(1e-3)).batch_size(4).device(device).build().unwrap()
}

#[test]
fn answers_are_the_trainers_bit_for_bit() {
    for device in [Device::cpu(), test_gpu().unwrap().into()] {
        for model in models() {
            let mut trainer = trainer(&model, device.clone());
            let predictor = Predictor::new(&trainer.to_file(0).unwrap(), &device).unwrap();
            for count in [1, 2, 4, 5, 128, 300] {
                let rows = rows(count, model.inputs);
                let wanted = trainer.predict(rows.view()).unwrap();
                assert_eq!(predictor.predict(&rows).unwrap(), wanted, "{} {count}", model.architecture());
                // Rows that are not contiguous.
                let turned = rows.t().as_standard_layout().into_owned();
                assert_eq!(predictor.predict(turned.t()).unwrap(), wanted);
            }
        }
    }
}

#[test]
fn pixels_are_scaled_as_in_training() {
    let model = Sequential::new(90).dense(70, Relu).dense(10, Linear);
    let mut trainer = trainer(&model, Device::cpu());
    let predictor = Predictor::new(&trainer.to_file(0).unwrap(), &Device::cpu()).unwrap();
    let pixels = rows(1500, 90).mapv(|x| (x.abs() * 255.0) as u8);
    assert_eq!(predictor.predict(&pixels).unwrap(), trainer.predict(pixels.view()).unwrap());
    assert_eq!(predictor.predict(pixels.slice(s![..1, ..])).unwrap().dim(), (1, 10));
    assert_eq!(predictor.predict(pixels.slice(s![..0, ..])).unwrap().dim(), (0, 10));
}

/// Parameters and statistics once, beside them one batch, and no step of training.
#[test]
fn it_holds_the_weights_once_and_one_batch() {
    for device in [Device::cpu(), test_gpu().unwrap().into()] {
        for model in models() {
            let file = trainer(&model, device.clone()).to_file(0).unwrap();
            let predictor = Predictor::new(&file, &device).unwrap();
            let plan = Predictor::plan(&model, &file.spec, &device).unwrap();
            let held = |plan: &Plan, wanted: fn(Role) -> bool| {
                plan.tensors.iter().filter(|tensor| wanted(tensor.role)).map(Tensor::bytes).sum::<u64>()
            };
            assert_eq!(held(&plan, |role| role == Role::Parameter), 4 * model.parameters() as u64);
            let none = |role| matches!(role, Role::OptimizerState | Role::Gradient | Role::Metric | Role::Target);
            assert_eq!(held(&plan, none), 0);
            let memory = predictor.memory();
            assert_eq!(memory.held.kept + memory.held.optimizer_state + memory.held.metrics, 0, "{memory:?}");
            predictor.predict(&rows(300, model.inputs)).unwrap();
            assert_eq!(predictor.held_bytes(), memory.total, "{memory:?}");
            let widest = model.layers.iter().map(|layer| layer.units).max().unwrap().max(model.inputs);
            let batch = plan.program(ProgramId::Predict).batch * widest * 4 * (2 * model.layers.len() + 2);
            assert!(
                memory.total < memory.held.parameters + memory.held.statistics + batch as u64 + 400_000,
                "{memory:?}"
            );
        }
    }
}

#[test]
fn threads_share_it() {
    let model = Sequential::new(90).dense(70, Relu).dense(10, Linear);
    let file = trainer(&model, Device::cpu()).to_file(0).unwrap();
    let predictor = Predictor::new(&file, &Device::cpu()).unwrap();
    let rows = rows(40, 90);
    let wanted = predictor.predict(&rows).unwrap();
    std::thread::scope(|scope| {
        let answers: Vec<_> = (0..4).map(|_| scope.spawn(|| predictor.predict(&rows).unwrap())).collect();
        answers.into_iter().for_each(|answer| assert_eq!(answer.join().unwrap(), wanted));
    });
}

#[test]
fn rows_of_another_width_are_refused() {
    let model = Sequential::new(90).dense(10, Linear);
    let predictor = Predictor::new(&trainer(&model, Device::cpu()).to_file(0).unwrap(), &Device::cpu()).unwrap();
    let error = predictor.predict(&rows(3, 91)).unwrap_err().to_string();
    assert_eq!(error, "predict: samples has shape (3, 91), but (N, 90), as wide as the model's input, is needed");
}
