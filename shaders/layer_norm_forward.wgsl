// A layer's tail with layer norm: mean and variance of each row over its units,
// n = scale (z - mean) / sqrt(variance + epsilon) + shift, y = (activation(n) + residual) * kept; shapes (R, B, O).

struct Params {
    batch: u32,   // B
    outputs: u32, // O
    activation: u32,
    dropout: f32, // the layer's rate
    dropped: u32, // 1 where dropout is on
    layer: u32,
    added: u32,   // 1 where a residual is added
    epsilon: f32,
}

@group(1) @binding(0) var<storage, read> sums: array<f32>;             // (R, B, O)
@group(1) @binding(1) var<storage, read> scales: array<f32>;           // (R, 2, O): scale, shift
@group(1) @binding(2) var<storage, read> residual: array<Stored>;         // (R, B, O)
@group(1) @binding(3) var<storage, read_write> statistics: array<f32>; // (R, 2, B): mean, 1 / sqrt(variance + epsilon)
@group(1) @binding(4) var<storage, read_write> output: array<Stored>;     // (R, B, O)
@group(1) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.z;
    let quad = group.x;
    if quad >= quads() {
        return;
    }
    let units = f32(params.outputs);
    var mine = vec4(0.0);
    for (var o = lane; o < params.outputs; o += LANES) {
        mine += quad_sums(quad_at(r, quad, o));
    }
    let mean = row_sums(lane, mat2x4<f32>(mine, vec4(0.0)))[0] / units;
    mine = vec4(0.0);
    for (var o = lane; o < params.outputs; o += LANES) {
        let distance = quad_sums(quad_at(r, quad, o)) - mean;
        mine += distance * distance;
    }
    let variance = row_sums(lane, mat2x4<f32>(mine, vec4(0.0)))[0] / units;
    let deviation = 1.0 / sqrt(variance + params.epsilon);
    for (var o = lane; o < params.outputs; o += LANES) {
        let z = quad_sums(quad_at(r, quad, o));
        let own = 2u * r * params.outputs + o;
        store_output(r, quad, o, (z - mean) * deviation * scales[own] + scales[own + params.outputs]);
    }
    if lane < QUAD_ROWS && QUAD_ROWS * quad + lane < iteration.rows {
        let own = 2u * r * params.batch + QUAD_ROWS * quad + lane;
        statistics[own] = mean[lane];
        statistics[own + params.batch] = deviation[lane];
    }
}
