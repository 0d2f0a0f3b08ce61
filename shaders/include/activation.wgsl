// Activations f(z) and their derivatives, written in terms of a = f(z). Each constant's name is the activation's name
// in capitals; Rust looks its number up here.

const LINEAR: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const SIGMOID: u32 = 3u;
const TANH: u32 = 4u;
const SOFTMAX: u32 = 5u; // over a row, so a step of its own: here it leaves the logits as they are

const LEAKY_RELU_SLOPE: f32 = 0.01;

// A shader that includes this file has the activation's number in its uniform `params.activation`: it is looked at once an
// output, and no pipeline is compiled for each activation.

fn sigmoid(z: f32) -> f32 {
    return 1.0 / (1.0 + exp(-z));
}

// The built-in tanh may be 1e-5 off by the WGSL specification, and overflows on some drivers; this one does neither.
fn stable_tanh(z: f32) -> f32 {
    let e = exp(-2.0 * abs(z));
    let size = (1.0 - e) / (1.0 + e);
    return select(size, -size, z < 0.0);
}

fn activate(z: f32) -> f32 {
    switch params.activation {
        case RELU: { return select(z, 0.0, z < 0.0); } // not max(), which may hide a NaN
        case LEAKY_RELU: { return select(z, LEAKY_RELU_SLOPE * z, z < 0.0); }
        case SIGMOID: { return sigmoid(z); }
        case TANH: { return stable_tanh(z); }
        default: { return z; }
    }
}

fn activation_derivative(a: f32) -> f32 {
    switch params.activation {
        case RELU: { return select(0.0, 1.0, a > 0.0); }
        case LEAKY_RELU: { return select(LEAKY_RELU_SLOPE, 1.0, a > 0.0); }
        case SIGMOID: { return a * (1.0 - a); }
        case TANH: { return 1.0 - a * a; }
        default: { return 1.0; }
    }
}
