// Sums of squares of stored gradients, of two tensors at a time, over blocks in a fixed order: what the global norm is the
// root of. Shapes (R, I) and (R, J), seen as one line of I + J numbers; `clip_norm` adds the blocks.

struct Params {
    first_len: u32,  // I
    second_len: u32, // J
    offset: u32,     // where these blocks start among those of the replica
    blocks: u32,     // of all tensors of a replica
}

@group(1) @binding(0) var<storage, read> first_gradient: array<f32>;  // (R, I)
@group(1) @binding(1) var<storage, read> second_gradient: array<f32>; // (R, J)
@group(1) @binding(2) var<storage, read_write> squares: array<f32>;   // (R, blocks)
@group(1) @binding(3) var<uniform> params: Params;

const NORM_BLOCK: u32 = 4096u; // numbers a workgroup

@compute @workgroup_size(SUM_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let end = min((group.x + 1u) * NORM_BLOCK, params.first_len + params.second_len);
    var sum = 0.0;
    for (var i = group.x * NORM_BLOCK + local; i < end; i += SUM_GROUP) {
        let value = gradient(group.z, i);
        sum += value * value;
    }
    let squared = group_sum(local, sum);
    if local == 0u {
        squares[group.z * params.blocks + params.offset + group.x] = squared;
    }
}

fn gradient(r: u32, i: u32) -> f32 {
    if i < params.first_len {
        return first_gradient[r * params.first_len + i];
    }
    return second_gradient[r * params.second_len + i - params.first_len];
}
