// The optimizer's update from gradients that were stored, of two tensors at a time: a layer's weight and bias, or the
// two parameters of a norm. Shapes (R, I) and (R, J); an invocation updates every so many of the I + J.

struct Params {
    first_len: u32,     // I
    second_len: u32,    // J
    scaled: u32,        // whether gradients are multiplied by `scale`
    decay_first: u32,   // whether weight decay and L1 are for the first tensor,
    decay_second: u32,  // and for the second
    slots: u32,         // S, the optimizer's numbers per parameter
    clip_value: f32,    // gradients are cut to this absolute value; 0 for none
}

@group(1) @binding(0) var<storage, read> first_gradient: array<f32>;     // (R, I)
@group(1) @binding(1) var<storage, read> second_gradient: array<f32>;    // (R, J)
@group(1) @binding(2) var<storage, read> scale: array<f32>;              // (R,)
@group(1) @binding(7) var<uniform> params: Params;

const UPDATE_GROUP: u32 = 64u;

@compute @workgroup_size(UPDATE_GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group.z;
    let total = params.first_len + params.second_len;
    for (var i = group.x * UPDATE_GROUP + local; i < total; i += groups.x * UPDATE_GROUP) {
        if i < params.first_len {
            let gradient = scaled(r, first_gradient[r * params.first_len + i]);
            update_first(r, i, params.first_len, gradient, decayed_hyper(r, params.decay_first));
        } else {
            let own = i - params.first_len;
            let gradient = scaled(r, second_gradient[r * params.second_len + own]);
            update_second(r, own, params.second_len, gradient, decayed_hyper(r, params.decay_second));
        }
    }
}

fn scaled(r: u32, gradient: f32) -> f32 {
    if params.scaled == 0u {
        return gradient;
    }
    return gradient * scale[r];
}
