// The global norm of each replica's gradients, from sums of squares over blocks, and what gradients are multiplied by so
// that it is at most `limit`: scale = min(1, limit / (norm + 1e-6)), as PyTorch's clip_grad_norm_ has it.

struct Params {
    blocks: u32,        // of all tensors of a replica
    limit: f32,
    slots: u32,         // steps that the metrics have room for
    metric_blocks: u32, // pairs of metrics a step; the last one is the norm's
}

@group(1) @binding(0) var<storage, read> squares: array<f32>;             // (R, blocks)
@group(1) @binding(1) var<storage, read_write> scale: array<f32>;         // (R,)
@group(1) @binding(2) var<storage, read_write> metrics: array<vec2<f32>>; // (R, slots, metric_blocks), the last (norm, 0)
@group(1) @binding(3) var<uniform> params: Params;

const NORM_EPSILON: f32 = 1e-6;

@compute @workgroup_size(SUM_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let r = group.z;
    var sum = 0.0;
    for (var i = local; i < params.blocks; i += SUM_GROUP) {
        sum += squares[r * params.blocks + i];
    }
    let norm = sqrt(group_sum(local, sum));
    if local == 0u {
        let factor = params.limit / (norm + NORM_EPSILON);
        scale[r] = select(1.0, factor, factor < 1.0);
        metrics[(r * params.slots + iteration.slot + 1u) * params.metric_blocks - 1u] = vec2(norm, 0.0);
    }
}
