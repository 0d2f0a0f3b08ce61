// Takes the place of `shaders/include/stored.wgsl` where the outputs of hidden layers, and gradients by them, are stored as
// f16. Its normal numbers go from 2^-14 to 2^16: gradients are stored without the batch's 1 / rows, and times
// 2^GRADIENT_BITS, which leaves them 2^18 below 1 and 2^12 above. The factor is a power of two, so that it changes no digit,
// and is taken out where gradients are summed over the batch.

enable f16;

alias Stored = f16;

const GRADIENT_BITS: u32 = 4u;

// The exponent of a batch's `loss_scale`, biased as f32 has it; within bounds that leave room for its inverse.
fn scale_exponent(loss_scale: f32) -> u32 {
    return clamp(bitcast<u32>(loss_scale) >> 23u, 64u, 190u);
}

fn gradient_scale(loss_scale: f32) -> f32 {
    return bitcast<f32>((254u + GRADIENT_BITS - scale_exponent(loss_scale)) << 23u);
}

fn gradient_unscale(loss_scale: f32) -> f32 {
    return bitcast<f32>((scale_exponent(loss_scale) - GRADIENT_BITS) << 23u);
}
