// Activations f(z) and their derivatives, written in terms of a = f(z). Each constant's name is the activation's name
// in capitals; Rust looks its number up here. Formulas and sources are those of `src/ops/activation/`.

const LINEAR: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const SIGMOID: u32 = 3u;
const TANH: u32 = 4u;
const SOFTMAX: u32 = 5u; // over a row, so a step of its own: here it leaves the logits as they are
const ELU: u32 = 6u;
const SELU: u32 = 7u;
const SOFTPLUS: u32 = 8u;
const HARD_SIGMOID: u32 = 9u;
// These need the sum for their derivative.
const GELU: u32 = 10u;
const GELU_TANH: u32 = 11u;
const SILU: u32 = 12u;

const LEAKY_RELU_SLOPE: f32 = 0.01;
const SELU_SCALE: f32 = 1.050701;
const SELU_SCALE_ALPHA: f32 = 1.7580993;
const HARD_SIGMOID_SLOPE: f32 = 0.16666667;
const INVERSE_ROOT_OF_TAU: f32 = 0.3989423;
const GELU_TANH_LINEAR: f32 = 1.5957692;  // 2 sqrt(2 / pi)
const GELU_TANH_CUBIC: f32 = 0.071354814; // 0.044715 of it
const GELU_TANH_END: f32 = 12.0;          // beyond it the sigmoid is 0 or 1

// A shader that includes this file has the activation's number in its uniform `params.activation`: it is looked at once an
// output, and no pipeline is compiled for each activation.

fn sigmoid(z: f32) -> f32 {
    let e = exp(-abs(z));
    return select(1.0, e, z < 0.0) / (1.0 + e);
}

// The built-in tanh may be 1e-5 off by the WGSL specification, and overflows on some drivers; this one does neither.
fn stable_tanh(z: f32) -> f32 {
    let e = exp(-2.0 * abs(z));
    let size = (1.0 - e) / (1.0 + e);
    return select(size, -size, z < 0.0);
}

// e^x - 1 for x <= 0, without loss near 0 (`special.rs`).
fn exp_minus_one(x: f32) -> f32 {
    let near = max(x, -0.5);
    var sum = 2.4801587e-5 * near + 0.0001984127;
    sum = sum * near + 0.0013888889;
    sum = sum * near + 0.008333334;
    sum = sum * near + 0.041666668;
    sum = sum * near + 0.16666667;
    sum = sum * near + 0.5;
    sum = sum * near + 1.0;
    return select(near * sum, exp(x) - 1.0, x < -0.5);
}

// ln(1 + x) for x in [0, 1], without loss near 0 (`special.rs`).
fn ln_one_plus(x: f32) -> f32 {
    let s = x / (x + 2.0);
    let q = s * s;
    var sum = 0.11764706 * q + 0.13333334;
    sum = sum * q + 0.15384616;
    sum = sum * q + 0.18181819;
    sum = sum * q + 0.22222222;
    sum = sum * q + 0.2857143;
    sum = sum * q + 0.4;
    sum = sum * q + 0.6666667;
    sum = sum * q + 2.0;
    return s * sum;
}

// erfc, a Chebyshev fit good to one ULP of f32 (`special.rs`).
fn erfc(x: f32) -> f32 {
    let size = min(abs(x), 12.0);
    let t = 1.0 / (1.0 + 0.5 * size);
    var fit = 0.17087277 * t - 0.82215223;
    fit = fit * t + 1.48851587;
    fit = fit * t - 1.13520398;
    fit = fit * t + 0.27886807;
    fit = fit * t - 0.18628806;
    fit = fit * t + 0.09678418;
    fit = fit * t + 0.37409196;
    fit = fit * t + 1.00002368;
    fit = fit * t - 1.26551223;
    let upper = t * exp(fit - size * size);
    return select(2.0 - upper, upper, x > 0.0);
}

// The normal distribution at z.
fn normal_share(z: f32) -> f32 {
    return 0.5 * erfc(-0.70710677 * z);
}

fn gelu_tanh_doubled(z: f32) -> f32 {
    let near = clamp(z, -GELU_TANH_END, GELU_TANH_END);
    return near * (GELU_TANH_LINEAR + GELU_TANH_CUBIC * near * near);
}

fn activate(z: f32) -> f32 {
    switch params.activation {
        case GELU: { return z * normal_share(z); }
        case GELU_TANH: { return z * sigmoid(gelu_tanh_doubled(z)); }
        case SILU: { return z * sigmoid(z); }
        case RELU: { return select(z, 0.0, z < 0.0); } // not max(), which may hide a NaN
        case LEAKY_RELU: { return select(z, LEAKY_RELU_SLOPE * z, z < 0.0); }
        case ELU: { return select(z, exp_minus_one(min(z, 0.0)), z < 0.0); }
        case SELU: { return select(SELU_SCALE * z, SELU_SCALE_ALPHA * exp_minus_one(min(z, 0.0)), z < 0.0); }
        case SOFTPLUS: { return select(z, 0.0, z < 0.0) + ln_one_plus(exp(-abs(z))); }
        case SIGMOID: { return sigmoid(z); }
        case HARD_SIGMOID: {
            let line = HARD_SIGMOID_SLOPE * z + 0.5;
            return select(select(line, 0.0, line < 0.0), 1.0, line > 1.0);
        }
        case TANH: { return stable_tanh(z); }
        default: { return z; }
    }
}

fn activation_derivative(a: f32) -> f32 {
    switch params.activation {
        case RELU: { return select(0.0, 1.0, a > 0.0); }
        case LEAKY_RELU: { return select(LEAKY_RELU_SLOPE, 1.0, a > 0.0); }
        case ELU: { return select(a + 1.0, 1.0, a > 0.0); }
        case SELU: { return select(a + SELU_SCALE_ALPHA, SELU_SCALE, a > 0.0); }
        case SOFTPLUS: { return -exp_minus_one(-a); }
        case SIGMOID: { return a * (1.0 - a); }
        case HARD_SIGMOID: { return select(0.0, HARD_SIGMOID_SLOPE, a > 0.0 && a < 1.0); }
        case TANH: { return 1.0 - a * a; }
        default: { return 1.0; }
    }
}

// The derivative in terms of the sum z.
fn activation_slope(z: f32) -> f32 {
    // Before the switch, since FXC fails with an internal error on a switch in a case of another.
    let from_value = activation_derivative(activate(z));
    switch params.activation {
        case GELU: {
            // Beyond 16 the density is zero; the square of a large sum would overflow.
            let near = clamp(z, -16.0, 16.0);
            return normal_share(z) + near * (exp(-0.5 * near * near) * INVERSE_ROOT_OF_TAU);
        }
        case GELU_TANH: {
            let near = clamp(z, -GELU_TANH_END, GELU_TANH_END);
            let u = gelu_tanh_doubled(z);
            let s = sigmoid(u);
            return s + near * s * sigmoid(-u) * (GELU_TANH_LINEAR + 3.0 * GELU_TANH_CUBIC * near * near);
        }
        case SILU: {
            let s = sigmoid(z);
            return s + z * s * sigmoid(-z);
        }
        default: { return from_value; }
    }
}
