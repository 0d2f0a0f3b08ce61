//! Regression as scikit-learn's `MLPRegressor(hidden_layer_sizes=(10,), alpha=1e-4, max_iter=1000)` does it on
//! `make_regression(1000, 2, noise=0.1)`: ReLU, Adam 0.001, batches of 200, Glorot's weights, and its stopping rule.
//!
//! Its loss is half of ours, and its penalty alpha/2 ||w||² is for the batch's sum: in our units the rule's tolerance is
//! 2e-4 and the weight decay 2 alpha / 200. Adam does not care for the factor 2 in the gradient.
//!
//! `cargo run --release --example regression`; as a command:
//! `wgrad train make-regression:samples=1000,features=2,noise=0.1 --test-fraction 0.25 --hidden 10 --weights glorot-uniform
//! --batch 200 --weight-decay 1e-6 --no-decay-biases --epochs 1000 --patience 11 --monitor train-loss --min-delta 2e-4
//! --improve-on best`

mod common;

use ndarray::Axis;
use wgrad::Activation::{Linear, Relu};
use wgrad::data::Split;
use wgrad::datasets::{MakeRegression, make_regression};
use wgrad::{Adam, EarlyStopping, End, Error, Init, Loss, Sequential, Targets, Trainer, epochs};

const ALPHA: f64 = 1e-4;
const BATCH: usize = 200;

fn main() -> wgrad::Result<()> {
    let spec = MakeRegression { samples: 1000, features: 2, noise: 0.1, ..MakeRegression::default() };
    let parts = make_regression(&spec)?.split(&Split { test: 0.25, ..Split::default() })?;
    let missing = || Error::spec("split", "gave no test part");
    let test = parts.test.ok_or_else(missing)?;
    let model = Sequential::new(2).dense_with(10, Relu, Init::GlorotUniform).dense(1, Linear);
    let adam = Adam::new(1e-3).weight_decay(2.0 * ALPHA / BATCH as f64);
    let builder = Trainer::new(model, Loss::MeanSquaredError, adam).batch_size(BATCH).decay_biases(false);
    let mut trainer = builder.device(common::device()?).build()?;
    let fit = epochs(1000).early_stopping(EarlyStopping::scikit_learn(2e-4, 10));
    let history = trainer.fit(&parts.train, fit, &mut ())?;
    let stopped = if history.end == End::Stopped { "its stopping rule" } else { "the limit on epochs" };
    println!("{} epochs, until {stopped}", history.epochs.len());
    let answers = trainer.predict(test.features().clone())?;
    let Targets::Values(y) = test.targets() else { return Err(missing()) };
    let mean = y.mean_axis(Axis(0)).unwrap_or_default();
    let (rest, all) = ((&answers - y).mapv(|d| f64::from(d * d)).sum(), (y - &mean).mapv(|d| f64::from(d * d)).sum());
    println!("RESULT r2={:.4} epochs={}", 1.0 - rest / all, history.epochs.len());
    Ok(())
}
