//! Fisher's irises: standardized, a stratified 80/20 split, 4-4-3, Adam, 100 epochs in batches of 10. Thirty test flowers
//! decide little, so ten seeds draw weights and split anew.
//!
//! `cargo run --release --example iris`; as a command:
//! `wgrad train iris --hidden 4 --lr 0.01 --batch 10 --epochs 100`

mod common;

use wgrad::Activation::{Linear, Relu};
use wgrad::data::{Scale, Split, TableSpec};
use wgrad::{Adam, Error, Loss, Sequential, Trainer, datasets, epochs};

const SEEDS: u64 = 10;

fn main() -> wgrad::Result<()> {
    let (device, table) = (common::device()?, datasets::iris_table()?);
    let mut accuracies = Vec::new();
    for seed in 0..SEEDS {
        let split = Split { test: 0.2, seed, ..Split::default() };
        let parts = TableSpec { scale: Scale::Standardize, split, ..TableSpec::default() }.prepare(&table)?;
        let missing = || Error::spec("split", "gave no test part");
        let test = parts.test.ok_or_else(missing)?;
        let model = Sequential::new(4).dense(4, Relu).dense(3, Linear);
        let builder = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(10).seed(seed);
        let mut trainer = builder.device(device.clone()).build()?;
        trainer.fit(&parts.train, epochs(100), &mut ())?;
        accuracies.push(trainer.evaluate(&test)?.accuracy);
        println!("seed {seed}: test accuracy {:.1}%", 100.0 * accuracies[accuracies.len() - 1]);
    }
    let mean = accuracies.iter().sum::<f64>() / SEEDS as f64;
    println!("RESULT accuracy={mean:.4} least={:.4}", accuracies.iter().copied().fold(1.0, f64::min));
    Ok(())
}
