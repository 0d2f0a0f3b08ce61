// Keeps the norm of each unit's incoming weights within `limit`: w = w * min(norm, limit) / (norm + 1e-7), which is Keras'
// MaxNorm (axis 0 of its transposed kernel). A workgroup takes a unit.

struct Params {
    inputs: u32,  // I
    outputs: u32, // O
    limit: f32,
}

@group(1) @binding(0) var<storage, read_write> weight: array<f32>; // (R, O, I)
@group(1) @binding(1) var<uniform> params: Params;

const UNIT_EPSILON: f32 = 1e-7;

@compute @workgroup_size(SUM_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let start = (group.z * params.outputs + group.x) * params.inputs;
    var sum = 0.0;
    for (var i = local; i < params.inputs; i += SUM_GROUP) {
        sum += weight[start + i] * weight[start + i];
    }
    let norm = sqrt(group_sum(local, sum));
    let factor = select(norm, params.limit, norm > params.limit) / (norm + UNIT_EPSILON);
    for (var i = local; i < params.inputs; i += SUM_GROUP) {
        weight[start + i] *= factor;
    }
}
