//! A line through points: y = 3x + noise, one linear unit, SGD, mean squared error, 1,000 epochs. The weight is the
//! slope and the bias the intercept.
//!
//! `cargo run --release --example line_fit`; as a command:
//! `wgrad train line:samples=200 --hidden none --optimizer sgd --lr 0.01 --batch 32 --epochs 1000`

mod common;

use wgrad::Activation::Linear;
use wgrad::datasets::{MakeLine, make_line};
use wgrad::{Loss, Sequential, Sgd, Trainer, epochs};

fn main() -> wgrad::Result<()> {
    let line = make_line(&MakeLine { samples: 200, ..MakeLine::default() })?;
    let model = Sequential::new(1).dense(1, Linear);
    let builder = Trainer::new(model, Loss::MeanSquaredError, Sgd::new(0.01)).batch_size(32);
    let mut trainer = builder.device(common::device()?).build()?;
    trainer.fit(&line, epochs(1000), &mut ())?;
    let weights = trainer.weights(0)?;
    let (slope, intercept) = (weights.matrix("layers.0.weight")?[[0, 0]], weights.vector("layers.0.bias")?[0]);
    let loss = trainer.evaluate(&line)?.loss;
    println!("RESULT slope={slope:.4} intercept={intercept:.4} loss={loss:.5}");
    Ok(())
}
