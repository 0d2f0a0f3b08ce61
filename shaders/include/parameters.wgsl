// The parameters that a step updates, two tensors at a time: a layer's weight and bias, or those of a norm, which has no
// second. Shapes (R, I) and (R, J), states (R, S, I) and (R, S, J).
//
// A shader that includes this file and `optimizer` declares `params` with slots (S, the optimizer's numbers per parameter)
// and clip_value (gradients are cut to this absolute value; 0 for none).

@group(1) @binding(3) var<storage, read_write> first: array<f32>;        // (R, I)
@group(1) @binding(4) var<storage, read_write> second: array<f32>;       // (R, J)
@group(1) @binding(5) var<storage, read_write> first_state: array<f32>;  // (R, S, I)
@group(1) @binding(6) var<storage, read_write> second_state: array<f32>; // (R, S, J)

// Updates parameter i of the `count` that replica r has in the first tensor.
fn update_first(r: u32, i: u32, count: u32, gradient: f32, hyper: Hyper) {
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
    let after = updated(before, gradient, params.clip_value, hyper);
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

// The same in the second: WGSL has no pointers to storage to hand to one function, and choosing the tensor at each access
// made a step on llvmpipe slower.
fn update_second(r: u32, i: u32, count: u32, gradient: f32, hyper: Hyper) {
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
    let after = updated(before, gradient, params.clip_value, hyper);
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
