// The loss of outputs of any width: one invocation a batch row.

struct Params {
    batch: u32,        // B
    outputs: u32,      // O
    order_stride: u32, // N, or 0 when all replicas share one order
    activation: u32,
    slots: u32,        // steps that the metrics have room for
    blocks: u32,       // workgroups a replica: B / ROW_GROUP, rounded up
    class_weights: u32, // C, or 0 where neither classes nor samples have weights
    label_smoothing: f32,
    huber_delta: f32,
}

@group(1) @binding(0) var<storage, read> outputs: array<f32>;             // (R, B, O), logits or activated outputs
@group(1) @binding(1) var<storage, read> targets: array<u32>;             // (N) or (N, O) as f32
@group(1) @binding(2) var<storage, read> order: array<u32>;               // (R, N) or (N)
@group(1) @binding(3) var<storage, read_write> gradient: array<Stored>;      // (R, B, O), of the loss by the logits
@group(1) @binding(4) var<storage, read_write> metrics: array<vec2<f32>>; // (R, slots, blocks) of (loss sum, right answers)
@group(1) @binding(5) var<uniform> params: Params;
@group(1) @binding(6) var<storage, read> weights: array<f32>;             // (C + N), of classes, then of samples

const ROW_GROUP: u32 = 64u;

@compute @workgroup_size(ROW_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let b = group.x * ROW_GROUP + local;
    var mine = vec2(0.0);
    if b < iteration.rows {
        mine = row_loss(group.z, b);
    }
    store_block_metrics(group.z, group.x, local, mine);
}

fn row_output(r: u32, b: u32, o: u32) -> f32 {
    return outputs[(r * params.batch + b) * params.outputs + o];
}

fn store_gradient(r: u32, b: u32, o: u32, value: f32) {
    gradient[(r * params.batch + b) * params.outputs + o] = Stored(value);
}
