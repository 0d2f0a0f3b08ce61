// The gradients of a layer norm's scales and shifts. With g the gradient by n = scale x + shift and x = (z - mean)
// deviation: shift's is sum_b g, scale's sum_b g x; shapes (R, O) of (R, B, O). It goes before `layer_norm_backward`, which
// puts the gradient by z in place of that by the outputs.

struct Params {
    batch: u32,   // B
    outputs: u32, // O
    activation: u32,
    dropout: f32, // the layer's rate
    dropped: u32, // 1 where dropout is on
    layer: u32,
    skips: u32,   // 1 where later layers add the outputs
}

@group(1) @binding(0) var<storage, read> sums: array<f32>;       // (R, B, O)
@group(1) @binding(1) var<storage, read> scales: array<f32>;     // (R, 2, O): scale, shift
@group(1) @binding(2) var<storage, read> statistics: array<f32>; // (R, 2, B): mean, deviation
@group(1) @binding(3) var<storage, read> skipped: array<Stored>;    // (R, B, O)
@group(1) @binding(4) var<storage, read> gradient: array<Stored>;   // (R, B, O)
@group(1) @binding(5) var<storage, read_write> scales_gradient: array<f32>; // (R, 2, O)
@group(1) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(COLUMNS, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let r = group.z;
    // Units beyond the last repeat it, so that all invocations meet at the barriers; they store nothing.
    let there = group.x * COLUMNS + local.x < params.outputs;
    let o = min(group.x * COLUMNS + local.x, params.outputs - 1u);
    let own = 2u * r * params.outputs + o;
    var mine = vec2(0.0);
    for (var quad = local.y; quad < quads(); quad += LANES) {
        let x = (quad_sums(quad_at(r, quad, o)) - quad_statistic(r, quad, 0u)) * quad_statistic(r, quad, 1u);
        let slopes = quad_slopes(x * scales[own] + scales[own + params.outputs]);
        let g = select(vec4(0.0), quad_gradient(r, quad, o) * slopes, quad_live(quad));
        mine += vec2(dot(g, vec4(1.0)), dot(g, x));
    }
    let totals = column_sums(local.x, local.y, mine);
    if there && local.y == 0u {
        let unscale = gradient_unscale(iteration.hypers[r].loss_scale);
        scales_gradient[own] = totals.y * unscale;
        scales_gradient[own + params.outputs] = totals.x * unscale;
    }
}
