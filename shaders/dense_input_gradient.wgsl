// input_gradient = (output_gradient weight) * activation'(input), shapes (R, B, I) = (R, B, O) (R, O, I) * (R, B, I).
// `input` is what the layer before gave, and the activation is that layer's: its derivative is taken from its output.

struct Params {
    batch: u32,   // B
    inputs: u32,  // I
    outputs: u32, // O
    activation: u32,
}

@group(1) @binding(0) var<storage, read> output_gradient: array<vec4<Stored>>; // (R, B, O)
@group(1) @binding(1) var<storage, read> weight: array<vec4<f32>>;             // (R, O, I)
@group(1) @binding(2) var<storage, read> input: array<Stored>;                 // (R, B, I)
@group(1) @binding(3) var<storage, read_write> input_gradient: array<Stored>;  // (R, B, I)
@group(1) @binding(4) var<uniform> params: Params;

const LEFT_K_FAST: bool = true;
const RIGHT_K_FAST: bool = false;

fn extents() -> vec3<u32> {
    return vec3(iteration.rows, params.inputs, params.outputs);
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

fn right_line(r: u32, o: u32) -> u32 {
    return (r * params.outputs + o) * params.inputs;
}

fn right_one(start: u32, i: u32) -> f32 {
    return weight[(start + i) / 4u][(start + i) % 4u];
}

fn right_four(start: u32, i: u32) -> vec4<f32> {
    return weight[(start + i) / 4u];
}

fn finish(r: u32, b: u32, i: u32, sum: f32) {
    let at = (r * params.batch + b) * params.inputs + i;
    input_gradient[at] = Stored(sum * activation_derivative(f32(input[at])));
}
