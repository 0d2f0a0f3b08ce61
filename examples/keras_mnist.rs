//! Keras' first network on MNIST: 784-32-10, ReLU, softmax cross-entropy, Adam, 10 epochs in batches of 32. In Keras it
//! reaches 96 to 96.5 % of the test set.
//!
//! `cargo run --release --example keras_mnist`; as a command: `wgrad train mnist --hidden 32 --batch 32 --epochs 10`

mod common;

use wgrad::Activation::{Linear, Relu};
use wgrad::{Adam, Loss, Sequential, Trainer, datasets, epochs};

fn main() -> wgrad::Result<()> {
    let mnist = datasets::mnist()?;
    let model = Sequential::new(784).dense(32, Relu).dense(10, Linear);
    let builder = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(1e-3)).batch_size(32);
    let mut trainer = builder.device(common::device()?).build()?;
    let history = trainer.fit(&mnist.train, epochs(10).validate(&mnist.test), &mut ())?;
    for epoch in &history.epochs {
        let test = epoch.validation.as_ref().map_or(0.0, |test| test.accuracy);
        println!("epoch {}: loss {:.4}, test accuracy {:.2}%", epoch.epoch, epoch.train.loss, 100.0 * test);
    }
    let test = trainer.evaluate(&mnist.test)?;
    println!("RESULT accuracy={:.4} loss={:.4} seconds={:.2}", test.accuracy, test.loss, history.training_seconds);
    Ok(())
}
