// probabilities = exp(z - max z) / sum exp(z - max z), row by row; shapes (R, B, O). One invocation a row.

struct Params {
    batch: u32,   // B
    outputs: u32, // O
}

@group(1) @binding(0) var<storage, read> logits: array<f32>;              // (R, B, O)
@group(1) @binding(1) var<storage, read_write> probabilities: array<f32>; // (R, B, O)
@group(1) @binding(2) var<uniform> params: Params;

const ROW_GROUP: u32 = 64u; // rows a workgroup

@compute @workgroup_size(ROW_GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let b = thread.x;
    if b >= iteration.rows {
        return;
    }
    let start = (thread.z * params.batch + b) * params.outputs;
    var top = logits[start];
    for (var o = 1u; o < params.outputs; o++) {
        top = select(top, logits[start + o], logits[start + o] > top);
    }
    var total = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        total += exp(logits[start + o] - top);
    }
    for (var o = 0u; o < params.outputs; o++) {
        probabilities[start + o] = exp(logits[start + o] - top) / total;
    }
}
