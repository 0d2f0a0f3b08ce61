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
@group(1) @binding(3) var<storage, read_write> first: array<f32>;        // (R, I)
@group(1) @binding(4) var<storage, read_write> second: array<f32>;       // (R, J)
@group(1) @binding(5) var<storage, read_write> first_state: array<f32>;  // (R, S, I)
@group(1) @binding(6) var<storage, read_write> second_state: array<f32>; // (R, S, J)
@group(1) @binding(7) var<uniform> params: Params;

const UPDATE_GROUP: u32 = 64u;

@compute @workgroup_size(UPDATE_GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let total = params.first_len + params.second_len;
    for (var i = group.x * UPDATE_GROUP + local; i < total; i += groups.x * UPDATE_GROUP) {
        if i < params.first_len {
            update_first(group.z, i);
        } else {
            update_second(group.z, i - params.first_len);
        }
    }
}

fn scaled(r: u32, gradient: f32) -> f32 {
    if params.scaled == 0u {
        return gradient;
    }
    return gradient * scale[r];
}

fn hyper_of(r: u32, decays: u32) -> Hyper {
    if decays == 0u {
        return without_decay(iteration.hypers[r]);
    }
    return iteration.hypers[r];
}

fn update_first(r: u32, i: u32) {
    let count = params.first_len;
    let own = r * count + i;
    let state = r * params.slots * count + i;
    var before = Parameter(first[own], vec3(0.0));
    if params.slots > 0u {
        before.state.x = first_state[state];
    }
    if params.slots > 1u {
        before.state.y = first_state[state + count];
    }
    if params.slots > 2u {
        before.state.z = first_state[state + 2u * count];
    }
    let gradient = scaled(r, first_gradient[own]);
    let after = updated(before, gradient, params.clip_value, hyper_of(r, params.decay_first));
    first[own] = after.value;
    if params.slots > 0u {
        first_state[state] = after.state.x;
    }
    if params.slots > 1u {
        first_state[state + count] = after.state.y;
    }
    if params.slots > 2u {
        first_state[state + 2u * count] = after.state.z;
    }
}

fn update_second(r: u32, i: u32) {
    let count = params.second_len;
    let own = r * count + i;
    let state = r * params.slots * count + i;
    var before = Parameter(second[own], vec3(0.0));
    if params.slots > 0u {
        before.state.x = second_state[state];
    }
    if params.slots > 1u {
        before.state.y = second_state[state + count];
    }
    if params.slots > 2u {
        before.state.z = second_state[state + 2u * count];
    }
    let gradient = scaled(r, second_gradient[own]);
    let after = updated(before, gradient, params.clip_value, hyper_of(r, params.decay_second));
    second[own] = after.value;
    if params.slots > 0u {
        second_state[state] = after.state.x;
    }
    if params.slots > 1u {
        second_state[state + count] = after.state.y;
    }
    if params.slots > 2u {
        second_state[state + 2u * count] = after.state.z;
    }
}
