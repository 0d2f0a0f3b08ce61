//! Exclusive or: 2-2-1, binary cross-entropy, Adam 0.01, 1,000 epochs of one batch. Two ReLU units often die on the way,
//! so the answer is a share: 100 seeds are trained side by side as replicas, with ReLU and with tanh.
//!
//! `cargo run --release --example xor`; as a command, where `--activation tanh` is the other half:
//! `wgrad train xor --hidden 2 --loss bce --lr 0.01 --epochs 1000 --replicas 100`

mod common;

use wgrad::Activation::{Relu, Sigmoid, Tanh};
use wgrad::{Activation, Adam, Device, Loss, OptimizerSpec, Replica, Sequential, Trainer, datasets, epochs};

const SEEDS: u64 = 100;

/// The share of seeds whose network answers all four rows right.
fn solved(activation: Activation, device: &Device) -> wgrad::Result<f64> {
    let xor = datasets::xor()?;
    let adam = OptimizerSpec::from(Adam::new(0.01));
    let replicas = (0..SEEDS).map(|seed| Replica::new(seed, &adam)).collect();
    let model = Sequential::new(2).dense(2, activation).dense(1, Sigmoid);
    let builder = Trainer::new(model, Loss::BinaryCrossEntropy, adam).batch_size(4).replicas(replicas);
    let mut trainer = builder.device(device.clone()).build()?;
    trainer.fit(&xor, epochs(1000), &mut ())?;
    let scores = trainer.evaluate(&xor)?.replicas;
    let solved = scores.iter().filter(|scores| scores.accuracy == 1.0).count();
    println!("{activation}: {solved} of {SEEDS} seeds solve it");
    Ok(solved as f64 / SEEDS as f64)
}

fn main() -> wgrad::Result<()> {
    let device = common::device()?;
    let (relu, tanh) = (solved(Relu, &device)?, solved(Tanh, &device)?);
    println!("RESULT relu={relu:.2} tanh={tanh:.2}");
    Ok(())
}
