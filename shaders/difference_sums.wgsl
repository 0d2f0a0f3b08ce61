// How far outputs are from their targets: for each output, over each block of rows, sum |a - y| and sum (a - y)². One
// invocation an output and block, which adds its rows in order.

struct Params {
    batch: u32,        // B
    outputs: u32,      // O
    order_stride: u32, // N, or 0 when all replicas share one order
    blocks: u32,       // of a batch: B / BLOCK_ROWS, rounded up
    stride: u32,       // blocks a replica has room for
}

@group(1) @binding(0) var<storage, read> outputs: array<f32>;         // (R, B, O)
@group(1) @binding(1) var<storage, read> targets: array<f32>;         // (N, O)
@group(1) @binding(2) var<storage, read> order: array<u32>;           // (R, N) or (N)
@group(1) @binding(3) var<storage, read_write> sums: array<vec2<f32>>; // (R, blocks of all batches, O)
@group(1) @binding(4) var<uniform> params: Params;

const BLOCK_ROWS: u32 = 32u;
const COLUMN_GROUP: u32 = 32u; // outputs a workgroup

@compute @workgroup_size(COLUMN_GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let o = group.x * COLUMN_GROUP + local;
    let first = group.y * BLOCK_ROWS;
    let r = group.z;
    if o >= params.outputs || first >= iteration.rows {
        return;
    }
    var total = vec2(0.0);
    for (var b = first; b < min(first + BLOCK_ROWS, iteration.rows); b++) {
        let n = order[r * params.order_stride + iteration.first + b];
        let d = outputs[(r * params.batch + b) * params.outputs + o] - targets[n * params.outputs + o];
        total += vec2(abs(d), d * d);
    }
    // Batches follow each other in the order, each in a place of its own.
    let block = iteration.first / params.batch * params.blocks + group.y;
    sums[(r * params.stride + block) * params.outputs + o] = total;
}
