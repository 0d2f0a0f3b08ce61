// Inputs that a layer before has stored, as f32, or as f16 where `shaders/f16/read.wgsl` takes this file's place.

fn activation_one(index: u32) -> f32 {
    return bitcast<f32>(input_word(index));
}

fn activation_four(index: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(input[index / 4u]);
}
