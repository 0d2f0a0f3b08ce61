// Included by every shader: what changes from one training step to the next.
//
// Symbols: R replicas, B batch rows, I inputs of a layer, O its outputs, N samples of the dataset.

const MAX_REPLICAS: u32 = 1024u;

struct Hyper {
    learning_rate: f32,       // after the schedule
    decay: f32,               // coupled: lambda; decoupled: 1 - learning rate * lambda
    l1: f32,
    dropout: f32,             // the replica's own rate, or -1 for each layer's
    momentum: f32,            // Adam's beta 1
    momentum_complement: f32, // 1 - momentum, rounded once from f64
    correction_x: f32,        // what an optimizer wants computed once a step;
    correction_y: f32,        // Adam: learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
    correction_z: f32,
    loss_scale: f32,          // 1 / sum of the rows' weights: 1 / rows without any
    seed_low: u32,            // the key of the replica's random numbers
    seed_high: u32,
}

struct Iteration {
    rows: u32,   // rows of this batch that hold samples, at most B
    first: u32,  // where in the order of samples this batch starts
    slot: u32,   // where in the metrics this step's loss goes
    number: u32, // optimizer steps so far, this one included
    hypers: array<Hyper, MAX_REPLICAS>, // (R,)
}

@group(0) @binding(0) var<uniform> iteration: Iteration;
