// The backward step of a tail with batch norm. With g the gradient by n = scale x + shift and x = (z - mean) deviation:
// shift's gradient is sum_b g, scale's sum_b g x, and the one by z, which takes the place of that by the outputs,
// scale deviation (g - sum_b g / rows - x sum_b (g x) / rows); shapes (R, B, O).

struct Params {
    batch: u32,   // B
    outputs: u32, // O
    activation: u32,
    dropout: f32, // the layer's rate
    dropped: u32, // 1 where dropout is on
    layer: u32,
    skips: u32,   // 1 where later layers add the outputs
    passing: u32,
}

@group(1) @binding(0) var<storage, read> sums: array<f32>;       // (R, B, O)
@group(1) @binding(1) var<storage, read> scales: array<f32>;     // (R, 2, O): scale, shift
@group(1) @binding(2) var<storage, read> statistics: array<f32>; // (R, 2, O): mean, deviation
@group(1) @binding(3) var<storage, read> skipped: array<Stored>;    // (R, B, O)
@group(1) @binding(4) var<storage, read_write> gradient: array<Stored>;        // (R, B, O)
@group(1) @binding(5) var<storage, read_write> passed: array<Stored>;          // (R, B, O)
@group(1) @binding(6) var<storage, read_write> scales_gradient: array<f32>; // (R, 2, O)
@group(1) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(COLUMNS, LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let r = group.z;
    // Units beyond the last repeat it, so that all invocations meet at the barriers; they store nothing.
    let there = group.x * COLUMNS + local.x < params.outputs;
    let o = min(group.x * COLUMNS + local.x, params.outputs - 1u);
    let own = 2u * r * params.outputs + o;
    let mean = statistics[own];
    let deviation = statistics[own + params.outputs];
    let scale = scales[own];
    let shift = scales[own + params.outputs];
    var mine = vec2(0.0);
    for (var quad = local.y; there && quad < quads(); quad += LANES) {
        let x = (quad_sums(quad_at(r, quad, o)) - mean) * deviation;
        let whole = quad_gradient(r, quad, o);
        pass_on(r, quad, o, whole);
        let g = select(vec4(0.0), whole * quad_slopes(x * scale + shift), quad_live(quad));
        store_gradient(r, quad, o, g);
        mine += vec2(dot(g, vec4(1.0)), dot(g, x));
    }
    let totals = column_sums(local.x, local.y, mine);
    if !there {
        return;
    }
    let means = totals / f32(iteration.rows);
    for (var quad = local.y; quad < quads(); quad += LANES) {
        let at = quad_at(r, quad, o);
        let x = (quad_sums(at) - mean) * deviation;
        let g = vec4(f32(gradient[at.x]), f32(gradient[at.y]), f32(gradient[at.z]), f32(gradient[at.w]));
        store_gradient(r, quad, o, scale * deviation * (g - means.x - x * means.y));
    }
    if local.y == 0u {
        let unscale = gradient_unscale(iteration.hypers[r].loss_scale);
        scales_gradient[own] = totals.y * unscale;
        scales_gradient[own + params.outputs] = totals.x * unscale;
    }
}
