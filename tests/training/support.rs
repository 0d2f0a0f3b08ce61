//! Small datasets and the devices to try them on.

use ndarray::Array2;
use wgrad::random::{Purpose, Stream};
use wgrad::{Activation, Dataset, Device, Sequential, State};

/// Both executors; the GPU at WebGPU's default limits.
pub fn devices() -> [Device; 2] {
    let gpu = wgrad::verify::test_gpu().unwrap_or_else(|error| panic!("{error}"));
    [Device::cpu(), gpu.into()]
}

/// `samples` images of 13 pixels in four classes: the class is where the two brightest pixels are.
pub fn images(samples: usize) -> Dataset {
    let mut stream = Stream::new(11, Purpose::Inputs, 0);
    let labels: Vec<u32> = (0..samples).map(|_| stream.word() % 4).collect();
    let pixels = Array2::from_shape_fn((samples, 13), |(n, i)| {
        let bright = i as u32 / 3 == labels[n];
        (stream.word() % 100 + if bright { 120 } else { 0 }) as u8
    });
    Dataset::from_images("images", pixels, labels).unwrap()
}

/// y = 3 x0 - 2 x1 + 1 and y = x0 x1, from two inputs.
pub fn surfaces(samples: usize) -> Dataset {
    let mut stream = Stream::new(12, Purpose::Inputs, 0);
    let x = Array2::from_shape_simple_fn((samples, 2), || stream.symmetric(1.0));
    let y = Array2::from_shape_fn((samples, 2), |(n, o)| match o {
        0 => 3.0 * x[[n, 0]] - 2.0 * x[[n, 1]] + 1.0,
        _ => x[[n, 0]] * x[[n, 1]],
    });
    Dataset::regression(x.view(), y.view()).unwrap()
}

/// 13-9-4.
pub fn classifier() -> Sequential {
    Sequential::new(13).dense(9, Activation::Relu).dense(4, Activation::Linear)
}

/// All of a model's numbers as bits, norms and their statistics too, so that equality is that of every bit.
pub fn bits(weights: &State) -> Vec<u32> {
    weights.iter().flat_map(|tensor| tensor.values()).map(|value| value.to_bits()).collect()
}
