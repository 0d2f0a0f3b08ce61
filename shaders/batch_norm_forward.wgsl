// A layer's tail with batch norm, in training: mean and variance of each unit over the batch's rows,
// n = scale (z - mean) / sqrt(variance + epsilon) + shift, y = (activation(n) + residual) * kept; shapes (R, B, O). The
// running statistics move `momentum` of the way to the mean and to the unbiased variance. With a single row the variance
// is 0, the unbiased one too.

struct Params {
    batch: u32,   // B
    outputs: u32, // O
    activation: u32,
    dropout: f32, // the layer's rate
    dropped: u32, // 1 where dropout is on
    layer: u32,
    added: u32,   // 1 where a residual is added
    epsilon: f32,
    momentum: f32,
    momentum_complement: f32, // 1 - momentum, rounded once from f64
}

@group(1) @binding(0) var<storage, read> sums: array<f32>;             // (R, B, O)
@group(1) @binding(1) var<storage, read> scales: array<f32>;           // (R, 2, O): scale, shift
@group(1) @binding(2) var<storage, read_write> running: array<f32>;    // (R, 2, O): mean, variance
@group(1) @binding(3) var<storage, read> residual: array<Stored>;         // (R, B, O)
@group(1) @binding(4) var<storage, read_write> statistics: array<f32>; // (R, 2, O): mean, 1 / sqrt(variance + epsilon)
@group(1) @binding(5) var<storage, read_write> output: array<Stored>;     // (R, B, O)
@group(1) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(COLUMNS, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let r = group.z;
    // Units beyond the last repeat it, so that all invocations meet at the barriers; they store nothing.
    let there = group.x * COLUMNS + local.x < params.outputs;
    let o = min(group.x * COLUMNS + local.x, params.outputs - 1u);
    let rows = f32(iteration.rows);
    var mine = 0.0;
    for (var quad = local.y; quad < quads(); quad += LANES) {
        mine += dot(quad_sums(quad_at(r, quad, o)), select(vec4(0.0), vec4(1.0), quad_live(quad)));
    }
    let mean = column_sums(local.x, local.y, vec2(mine, 0.0)).x / rows;
    mine = 0.0;
    for (var quad = local.y; quad < quads(); quad += LANES) {
        let distance = select(vec4(0.0), quad_sums(quad_at(r, quad, o)) - mean, quad_live(quad));
        mine += dot(distance, distance);
    }
    let squares = column_sums(local.x, local.y, vec2(mine, 0.0)).x;
    if !there {
        return;
    }
    let deviation = 1.0 / sqrt(squares / rows + params.epsilon);
    let own = 2u * r * params.outputs + o;
    for (var quad = local.y; quad < quads(); quad += LANES) {
        let z = quad_sums(quad_at(r, quad, o));
        store_output(r, quad, o, (z - mean) * deviation * scales[own] + scales[own + params.outputs]);
    }
    if local.y == 0u {
        let unbiased = squares / max(rows - 1.0, 1.0);
        statistics[own] = mean;
        statistics[own + params.outputs] = deviation;
        running[own] = params.momentum_complement * running[own] + params.momentum * mean;
        running[own + params.outputs] =
            params.momentum_complement * running[own + params.outputs] + params.momentum * unbiased;
    }
}
