// The input of a dense layer: the activations of the layer before, or for the first layer the samples themselves,
// gathered through the epoch's order and scaled where they are read.

const ACTIVATIONS: u32 = 0u; // (R, B, I), as `read.wgsl` has them: f32 or f16
const SAMPLES_F32: u32 = 1u; // f32 (N, I)
const SAMPLES_U8: u32 = 2u;  // u8 (N, I), four to a word, lowest byte first

override INPUT: u32 = ACTIVATIONS;

@group(1) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read> order: array<u32>; // (R, N) sample indices, or (N) when all replicas share it

// Which row of `input` holds row b of replica r.
fn input_row(r: u32, b: u32, batch: u32, order_stride: u32) -> u32 {
    if INPUT == ACTIVATIONS {
        return r * batch + b;
    }
    return order[r * order_stride + iteration.first + b];
}

fn input_word(index: u32) -> u32 {
    return input[index / 4u][index % 4u];
}

// Element `index` of `input` as a number; samples are multiplied by `scale`.
fn input_value(index: u32, scale: f32) -> f32 {
    switch INPUT {
        case SAMPLES_U8: { return f32((input_word(index / 4u) >> (8u * (index % 4u))) & 0xffu) * scale; }
        case SAMPLES_F32: { return bitcast<f32>(input_word(index)) * scale; }
        default: { return activation_one(index); }
    }
}

// Elements `index` to `index + 3`; `index` is a multiple of 4.
fn input_four(index: u32, scale: f32) -> vec4<f32> {
    switch INPUT {
        case SAMPLES_U8: { return vec4<f32>((vec4(input_word(index / 4u)) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu)) * scale; }
        case SAMPLES_F32: { return bitcast<vec4<f32>>(input[index / 4u]) * scale; }
        default: { return activation_four(index); }
    }
}
