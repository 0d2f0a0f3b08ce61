//! What `Predictor` takes on the CPU for rows of MNIST's test set: `cargo bench --bench predict -- MODEL BATCH SECONDS`.
//! Prints the median and least seconds of a call as JSON; `benches/peers/predict.py` sets onnxruntime beside it.

use std::time::{Duration, Instant};

use ndarray::s;
use wgrad::{Predictor, datasets};

fn main() -> wgrad::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [path, batch, seconds] = &arguments[..] else {
        println!("usage: cargo bench --bench predict -- MODEL BATCH SECONDS");
        return Ok(());
    };
    let batch: usize = batch.parse().expect("BATCH is a whole number");
    let budget = Duration::from_secs_f64(seconds.parse().expect("SECONDS is a number"));
    let predictor = Predictor::load(path)?;
    let test = datasets::mnist()?.test;
    // As onnxruntime takes them: f32, scaled.
    let images = match test.features() {
        wgrad::Features::U8(pixels) => pixels.mapv(|pixel| f32::from(pixel) / 255.0),
        wgrad::Features::F32(rows) => rows.clone(),
    };
    let (started, mut times, mut at) = (Instant::now(), Vec::new(), 0);
    while started.elapsed() < budget || times.len() < 5 {
        let rows = images.slice(s![at..at + batch, ..]);
        let call = Instant::now();
        std::hint::black_box(predictor.predict(rows)?);
        times.push(call.elapsed().as_secs_f64());
        at = (at + batch) % (images.nrows() - batch + 1);
    }
    times.sort_by(f64::total_cmp);
    println!("{{\"calls\": {}, \"median\": {:e}, \"least\": {:e}}}", times.len(), times[times.len() / 2], times[0]);
    Ok(())
}
