// What the losses share: one invocation a batch row, targets gathered through the epoch's order, and metrics summed
// over a workgroup's rows in a fixed order. Each workgroup has its own place in the metrics, so that nothing waits for
// another workgroup; the host adds the few block sums.
//
// A shader that includes this file defines
//   fn row_loss(r: u32, b: u32) -> vec2<f32>   stores the row's gradient; gives its loss and 1 if it is right, else 0

const ROW_GROUP: u32 = 64u; // rows a workgroup

const CLASSES: u32 = 0u; // targets are u32 (N), a class each
const VALUES: u32 = 1u;  // targets are f32 (N, O)

override TARGETS: u32 = CLASSES;

struct Params {
    batch: u32,        // B
    outputs: u32,      // O
    order_stride: u32, // N, or 0 when all replicas share one order
    slots: u32,        // steps that the metrics have room for
    blocks: u32,       // workgroups a replica: B / ROW_GROUP, rounded up
}

@group(1) @binding(0) var<storage, read> outputs: array<f32>;           // (R, B, O), logits or activated outputs
@group(1) @binding(1) var<storage, read> targets: array<u32>;           // (N) or (N, O) as f32
@group(1) @binding(2) var<storage, read> order: array<u32>;             // (R, N) or (N)
@group(1) @binding(3) var<storage, read_write> gradient: array<f32>;    // (R, B, O), of the loss by the logits
@group(1) @binding(4) var<storage, read_write> metrics: array<vec2<f32>>; // (R, slots, blocks) of (loss sum, right answers)
@group(1) @binding(5) var<uniform> params: Params;

var<workgroup> row_metrics: array<vec2<f32>, ROW_GROUP>;

@compute @workgroup_size(ROW_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let r = group.z;
    let b = group.x * ROW_GROUP + local;
    var mine = vec2(0.0);
    if b < iteration.rows {
        mine = row_loss(r, b);
    }
    row_metrics[local] = mine;
    for (var half = ROW_GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            row_metrics[local] += row_metrics[local + half];
        }
    }
    // Blocks without live rows stay as they are, as on the CPU.
    if local == 0u && b < iteration.rows {
        metrics[(r * params.slots + iteration.slot) * params.blocks + group.x] = row_metrics[0];
    }
}

// Offset of row b in `outputs` and `gradient`.
fn row_start(r: u32, b: u32) -> u32 {
    return (r * params.batch + b) * params.outputs;
}

fn sample(r: u32, b: u32) -> u32 {
    return order[r * params.order_stride + iteration.first + b];
}

// Target o of sample n: its value, or 1 for its class and 0 for the others; a single output takes the class itself.
fn target_value(n: u32, o: u32) -> f32 {
    if TARGETS == VALUES {
        return bitcast<f32>(targets[n * params.outputs + o]);
    }
    if params.outputs == 1u {
        return f32(targets[n]);
    }
    return select(0.0, 1.0, targets[n] == o);
}

// The first largest output of a row.
fn largest(start: u32) -> u32 {
    var best = 0u;
    for (var o = 1u; o < params.outputs; o++) {
        if outputs[start + o] > outputs[start + best] {
            best = o;
        }
    }
    return best;
}
