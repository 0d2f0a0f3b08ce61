// output = activation(input weightᵀ + bias), shapes (R, B, O) = (R, B, I) (R, O, I)ᵀ + (R, O).

struct Params {
    batch: u32,        // B
    inputs: u32,       // I
    outputs: u32,      // O
    order_stride: u32, // N, or 0 when all replicas share one order
    scale: f32,        // samples are multiplied by it
    activation: u32,
}

@group(1) @binding(2) var<storage, read> weight: array<vec4<f32>>; // (R, O, I)
@group(1) @binding(3) var<storage, read> bias: array<f32>;         // (R, O)
@group(1) @binding(4) var<storage, read_write> output: array<Stored>; // (R, B, O)
@group(1) @binding(5) var<uniform> params: Params;

const LEFT_K_FAST: bool = true;
const RIGHT_K_FAST: bool = true;

fn extents() -> vec3<u32> {
    return vec3(iteration.rows, params.outputs, params.inputs);
}

fn left_line(r: u32, b: u32) -> u32 {
    return input_row(r, b, params.batch, params.order_stride) * params.inputs;
}

fn left_one(start: u32, i: u32) -> f32 {
    return input_value(start + i, params.scale);
}

fn left_four(start: u32, i: u32) -> vec4<f32> {
    return input_four(start + i, params.scale);
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

fn finish(r: u32, b: u32, o: u32, sum: f32) {
    output[(r * params.batch + b) * params.outputs + o] = Stored(activate(sum + bias[r * params.outputs + o]));
}
