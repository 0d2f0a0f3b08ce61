// Takes the place of `shaders/include/read.wgsl` where a layer's input is stored as f16, two numbers to a word, the first of
// which is in the lower half.

fn activation_one(index: u32) -> f32 {
    let pair = unpack2x16float(input_word(index / 2u));
    return select(pair.x, pair.y, index % 2u == 1u);
}

fn activation_four(index: u32) -> vec4<f32> {
    let word = index / 2u;
    return vec4(unpack2x16float(input_word(word)), unpack2x16float(input_word(word + 1u)));
}
