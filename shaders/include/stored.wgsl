// What the outputs of hidden layers, and the gradients by layers' outputs and sums, are stored as: f32, or f16 where
// `shaders/f16/stored.wgsl` takes this file's place.

alias Stored = f32;

// What stored gradients are multiplied by, beyond a batch's `loss_scale`; a power of two.
fn gradient_scale(loss_scale: f32) -> f32 {
    return 1.0;
}

// 1 / gradient_scale
fn gradient_unscale(loss_scale: f32) -> f32 {
    return 1.0;
}
