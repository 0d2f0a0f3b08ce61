// Optimizers: one parameter's update from its gradient. Each constant's name is the optimizer's name in capitals;
// Rust looks its number up here. Semantics are PyTorch's.

const GRADIENT: u32 = 0u; // no update: the gradient itself is stored
const SGD: u32 = 1u;
const ADAM: u32 = 2u;

override OPTIMIZER: u32 = GRADIENT;
override NESTEROV: bool = false;
override BETA_2: f32 = 0.999;
override BETA_2_COMPLEMENT: f32 = 0.001; // 1 - BETA_2, rounded once from f64 as PyTorch does
override EPSILON: f32 = 1e-8;

struct Parameter {
    value: f32,
    state: vec2<f32>, // SGD: velocity; Adam: first and second moment
}

fn updated(before: Parameter, gradient: f32, hyper: Hyper) -> Parameter {
    let g = gradient + hyper.decay * before.value + hyper.l1 * sign(before.value);
    var after = before;
    if OPTIMIZER == SGD {
        let velocity = hyper.momentum * before.state.x + g;
        let direction = select(velocity, g + hyper.momentum * velocity, NESTEROV);
        after.state.x = velocity;
        after.value = before.value - hyper.learning_rate * direction;
    } else {
        let first = hyper.momentum * before.state.x + hyper.momentum_complement * g;
        let second = BETA_2 * before.state.y + BETA_2_COMPLEMENT * (g * g);
        let scale = sqrt(second) * hyper.correction_y + EPSILON;
        after.state = vec2(first, second);
        after.value = before.value - hyper.correction_x * (first / scale);
    }
    return after;
}
