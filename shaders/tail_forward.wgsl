// y = (activation(n) + residual) * kept, where n is the sum z itself or, for a batch norm that is not training,
// n = scale (z - mean) / sqrt(variance + epsilon) + shift with the running mean and variance; shapes (R, B, O). One
// invocation for each unit of four rows.

struct Params {
    batch: u32,   // B
    outputs: u32, // O
    activation: u32,
    dropout: f32, // the layer's rate
    dropped: u32, // 1 where dropout is on
    layer: u32,
    added: u32,   // 1 where a residual is added
    norm: u32,
    epsilon: f32,
}

@group(1) @binding(0) var<storage, read> sums: array<f32>;     // (R, B, O)
@group(1) @binding(1) var<storage, read> scales: array<f32>;   // (R, 2, O): scale, shift
@group(1) @binding(2) var<storage, read> running: array<f32>;  // (R, 2, O): mean, variance
@group(1) @binding(3) var<storage, read> residual: array<Stored>; // (R, B, O)
@group(1) @binding(4) var<storage, read_write> output: array<Stored>; // (R, B, O)
@group(1) @binding(5) var<uniform> params: Params;

const NO_NORM: u32 = 0u;
const RUNNING_NORM: u32 = 1u;

const GROUP: u32 = 64u; // units a workgroup

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let r = thread.z;
    let quad = thread.y;
    let o = thread.x;
    if o >= params.outputs || quad >= quads() {
        return;
    }
    var n = quad_sums(quad_at(r, quad, o));
    if params.norm == RUNNING_NORM {
        let own = 2u * r * params.outputs + o;
        let deviation = 1.0 / sqrt(running[own + params.outputs] + params.epsilon);
        n = (n - running[own]) * deviation * scales[own] + scales[own + params.outputs];
    }
    store_output(r, quad, o, n);
}
