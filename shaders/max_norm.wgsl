// Keeps the norm of each unit's incoming weights within `limit`: w = w * min(norm, limit) / (norm + 1e-7), which is Keras'
// MaxNorm (axis 0 of its transposed kernel). A workgroup takes a unit.

struct Params {
    inputs: u32,  // I
    outputs: u32, // O
    limit: f32,
}

@group(1) @binding(0) var<storage, read_write> weight: array<f32>; // (R, O, I)
@group(1) @binding(1) var<uniform> params: Params;

const UNIT_GROUP: u32 = 64u;
const UNIT_EPSILON: f32 = 1e-7;

var<workgroup> parts: array<f32, UNIT_GROUP>;

@compute @workgroup_size(UNIT_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let start = (group.z * params.outputs + group.x) * params.inputs;
    var sum = 0.0;
    for (var i = local; i < params.inputs; i += UNIT_GROUP) {
        sum += weight[start + i] * weight[start + i];
    }
    parts[local] = sum;
    for (var half = UNIT_GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            parts[local] += parts[local + half];
        }
    }
    workgroupBarrier();
    let norm = sqrt(parts[0]);
    let factor = select(norm, params.limit, norm > params.limit) / (norm + UNIT_EPSILON);
    for (var i = local; i < params.inputs; i += UNIT_GROUP) {
        weight[start + i] *= factor;
    }
}
