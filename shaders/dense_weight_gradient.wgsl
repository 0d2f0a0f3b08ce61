// weight_gradient = output_gradientᵀ input, bias_gradient = the sum of output_gradient over the batch, and the
// optimizer's update of both: shapes (R, O, I) = (R, B, O)ᵀ (R, B, I) and (R, O).
// The weight is the first tensor of `parameters.wgsl`, the bias the second: column I of the product, against an input that
// is always 1. With OPTIMIZER = GRADIENT they are the gradients themselves, and the states are not touched.

struct Params {
    batch: u32,        // B
    inputs: u32,       // I
    outputs: u32,      // O
    order_stride: u32, // N, or 0 when all replicas share one order
    scale: f32,        // samples are multiplied by it
    slots: u32,        // S, the optimizer's numbers per parameter
    clip_value: f32,   // gradients are cut to this absolute value; 0 for none
    decay_biases: u32, // whether weight decay and L1 are for the biases too
}

@group(1) @binding(2) var<storage, read> output_gradient: array<vec4<Stored>>; // (R, B, O)
@group(1) @binding(7) var<uniform> params: Params;

const LEFT_K_FAST: bool = false;
const RIGHT_K_FAST: bool = false;

fn extents() -> vec3<u32> {
    return vec3(params.outputs, params.inputs + 1u, iteration.rows);
}

fn left_line(r: u32, b: u32) -> u32 {
    return (r * params.batch + b) * params.outputs;
}

fn left_one(start: u32, o: u32) -> f32 {
    return f32(output_gradient[(start + o) / 4u][(start + o) % 4u]);
}

fn left_four(start: u32, o: u32) -> vec4<f32> {
    return vec4<f32>(output_gradient[(start + o) / 4u]);
}

fn right_line(r: u32, b: u32) -> u32 {
    return input_row(r, b, params.batch, params.order_stride) * params.inputs;
}

fn right_one(start: u32, i: u32) -> f32 {
    return select(input_value(start + min(i, params.inputs - 1u), params.scale), 1.0, i == params.inputs);
}

fn right_four(start: u32, i: u32) -> vec4<f32> {
    let samples = input_four(start + min(i, params.inputs - 4u), params.scale);
    return select(samples, vec4(1.0, 0.0, 0.0, 0.0), i == params.inputs);
}

fn finish(r: u32, o: u32, i: u32, sum: f32) {
    let gradient = sum * gradient_unscale(iteration.hypers[r].loss_scale);
    if i == params.inputs {
        finish_bias(r, o, gradient);
    } else {
        finish_weight(r, o, i, gradient);
    }
}

fn finish_weight(r: u32, o: u32, i: u32, gradient: f32) {
    let count = params.outputs * params.inputs;
    let own = o * params.inputs + i;
    if OPTIMIZER == GRADIENT {
        first[r * count + own] = gradient;
        return;
    }
    update_first(r, own, count, gradient, iteration.hypers[r]);
}

fn finish_bias(r: u32, o: u32, gradient: f32) {
    if OPTIMIZER == GRADIENT {
        second[r * params.outputs + o] = gradient;
        return;
    }
    update_second(r, o, params.outputs, gradient, decayed_hyper(r, params.decay_biases));
}
