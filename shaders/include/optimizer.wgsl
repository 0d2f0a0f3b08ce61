// Optimizers: one parameter's update from its gradient. Each constant's name is the optimizer's name in capitals;
// Rust looks its number up here. Semantics are PyTorch's; the formulas' sources are in src/ops/optimizer/.

const GRADIENT: u32 = 0u; // no update: the gradient itself is stored
const GRADIENT_DESCENT: u32 = 1u;
const SGD: u32 = 2u;
const ADAGRAD: u32 = 3u;
const RMSPROP: u32 = 4u;
const ADAM: u32 = 5u;
const ADAM_W: u32 = 6u;
const NADAM: u32 = 7u;
const ADADELTA: u32 = 8u;
const LION: u32 = 9u;

override OPTIMIZER: u32 = GRADIENT;
override BETA_2: f32 = 0.0;               // RMSprop's alpha, Adadelta's rho
override BETA_2_COMPLEMENT: f32 = 1.0;    // 1 - BETA_2, rounded once from f64 as PyTorch does
override EPSILON: f32 = 0.0;
override NESTEROV: bool = false;          // SGD looks ahead
override CENTERED: bool = false;          // RMSprop's squares are taken around a mean
override HEAVY_BALL: bool = false;        // RMSprop's steps have momentum
override DECOUPLED: bool = false;         // weight decay shrinks the weight itself

struct Parameter {
    value: f32,
    state: vec3<f32>,
}

// The parameter after a step. Gradients are first cut to the absolute value `clip_value`, unless that is 0; then come
// the penalties: L1, and weight decay, coupled or decoupled.
fn updated(before: Parameter, gradient: f32, clip_value: f32, hyper: Hyper) -> Parameter {
    var g = gradient;
    if clip_value > 0.0 {
        g = select(g, clip_value, g > clip_value);
        g = select(g, -clip_value, g < -clip_value);
    }
    g += hyper.l1 * sign(before.value);
    var decayed = before;
    if DECOUPLED {
        decayed.value = hyper.decay * before.value;
    } else {
        g += hyper.decay * before.value;
    }
    switch OPTIMIZER {
        case GRADIENT_DESCENT: { return Parameter(decayed.value - hyper.learning_rate * g, before.state); }
        case SGD: { return sgd(decayed, g, hyper); }
        case ADAGRAD: { return adagrad(decayed, g, hyper); }
        case RMSPROP: { return rmsprop(decayed, g, hyper); }
        case ADAM, ADAM_W: { return adam(decayed, g, hyper); }
        case NADAM: { return nadam(decayed, g, hyper); }
        case ADADELTA: { return adadelta(decayed, g, hyper); }
        default: { return lion(decayed, g, hyper); }
    }
}

// State: velocity.
fn sgd(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let velocity = hyper.momentum * before.state.x + g;
    let direction = select(velocity, g + hyper.momentum * velocity, NESTEROV);
    return Parameter(before.value - hyper.learning_rate * direction, vec3(velocity, before.state.yz));
}

// State: sum of squares. correction_x is the decayed learning rate, correction_y what sums start from, at the first step.
fn adagrad(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let sum = before.state.x + hyper.correction_y + g * g;
    return Parameter(before.value - hyper.correction_x * (g / (sqrt(sum) + EPSILON)), vec3(sum, before.state.yz));
}

// State: mean of squares, then the mean if it is centered, then the momentum's buffer if it has one.
fn rmsprop(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let square = BETA_2 * before.state.x + BETA_2_COMPLEMENT * (g * g);
    var mean = 0.0;
    var variance = square;
    if CENTERED {
        mean = before.state.y + BETA_2_COMPLEMENT * (g - before.state.y);
        variance = max(square - mean * mean, 0.0);
    }
    var step = g / (sqrt(variance) + EPSILON);
    if HEAVY_BALL {
        step = hyper.momentum * select(before.state.y, before.state.z, CENTERED) + step;
    }
    let state = select(vec3(square, step, 0.0), vec3(square, mean, step), CENTERED);
    return Parameter(before.value - hyper.learning_rate * step, state);
}

// First and second moment after one more gradient.
fn moments(before: Parameter, g: f32, hyper: Hyper) -> vec3<f32> {
    let first = hyper.momentum * before.state.x + hyper.momentum_complement * g;
    let second = BETA_2 * before.state.y + BETA_2_COMPLEMENT * (g * g);
    return vec3(first, second, before.state.z);
}

fn adam(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let state = moments(before, g, hyper);
    let scale = sqrt(state.y) * hyper.correction_y + EPSILON;
    return Parameter(before.value - hyper.correction_x * (state.x / scale), state);
}

// correction_x and correction_z are what gradient and first moment count.
fn nadam(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let state = moments(before, g, hyper);
    let scale = sqrt(state.y) * hyper.correction_y + EPSILON;
    let step = hyper.correction_x * g + hyper.correction_z * state.x;
    return Parameter(before.value - step / scale, state);
}

// State: means of the squares of gradients and of steps.
fn adadelta(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let square = BETA_2 * before.state.x + BETA_2_COMPLEMENT * (g * g);
    let step = sqrt(before.state.y + EPSILON) / sqrt(square + EPSILON) * g;
    let steps = BETA_2 * before.state.y + BETA_2_COMPLEMENT * (step * step);
    return Parameter(before.value - hyper.learning_rate * step, vec3(square, steps, before.state.z));
}

// State: mean gradient.
fn lion(before: Parameter, g: f32, hyper: Hyper) -> Parameter {
    let direction = hyper.momentum * before.state.x + hyper.momentum_complement * g;
    let mean = BETA_2 * before.state.x + BETA_2_COMPLEMENT * g;
    return Parameter(before.value - hyper.learning_rate * sign(direction), vec3(mean, before.state.yz));
}

// A replica's hyper-parameters; where `decays` is 0, those of parameters that are left out of weight decay and L1.
fn decayed_hyper(r: u32, decays: u32) -> Hyper {
    var own = iteration.hypers[r];
    if decays == 0u {
        own.decay = select(0.0, 1.0, DECOUPLED);
        own.l1 = 0.0;
    }
    return own;
}
