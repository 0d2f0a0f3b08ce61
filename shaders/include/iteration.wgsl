// Included by every shader: what changes from one training step to the next.
//
// Symbols: R replicas, B batch rows, I inputs of a layer, O its outputs, N samples of the dataset.

const MAX_REPLICAS: u32 = 1024u;

struct Hyper {
    learning_rate: f32,
    weight_decay: f32,
    momentum: f32,            // Adam's beta 1
    momentum_complement: f32, // 1 - momentum, rounded once from f64
    correction: vec2<f32>,    // Adam's bias corrections: learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
    reserved: vec2<f32>,
}

struct Iteration {
    rows: u32,   // rows of this batch that hold samples, at most B
    first: u32,  // where in the order of samples this batch starts
    slot: u32,   // where in the metrics this step's loss goes
    number: u32, // optimizer steps so far, this one included
    hypers: array<Hyper, MAX_REPLICAS>, // (R,)
}

@group(0) @binding(0) var<uniform> iteration: Iteration;
