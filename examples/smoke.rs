use wgrad::{Activation::*, *};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mnist = datasets::mnist().unwrap();
    let device = match a.get(1) { Some(n) => Device::gpu(gpu::GpuRequest::Named(n.clone())).unwrap(), None => Device::auto().unwrap() };
    println!("{:?} {:?}", device.info(), device.note());
    let limit: usize = a.get(2).and_then(|s| s.parse().ok()).unwrap_or(60000);
    let model = Sequential::new(784).dense(128, Relu).dense(10, Linear);
    let mut t = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(1e-3)).device(device).batch_size(64).seed(0).build().unwrap();
    let train = mnist.train.take(limit).unwrap();
    println!("{}", t.plan(&train).unwrap());
    let h = t.fit(&train, epochs(2).validate(&mnist.test), &mut ()).unwrap();
    println!("{h:#?}");
}
