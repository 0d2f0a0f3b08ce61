// The backward step of a tail with layer norm. With g the gradient by n = scale x + shift, x = (z - mean) deviation and
// h = scale g, the gradient by z takes the place of that by the outputs:
// deviation (h - sum_o h / O - x sum_o (h x) / O); shapes (R, B, O).

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

@group(1) @binding(0) var<storage, read> sums: array<f32>;           // (R, B, O)
@group(1) @binding(1) var<storage, read> scales: array<f32>;         // (R, 2, O): scale, shift
@group(1) @binding(2) var<storage, read> statistics: array<f32>;     // (R, 2, B): mean, deviation
@group(1) @binding(3) var<storage, read> skipped: array<Stored>;        // (R, B, O)
@group(1) @binding(4) var<storage, read_write> gradient: array<Stored>; // (R, B, O)
@group(1) @binding(5) var<storage, read_write> passed: array<Stored>;   // (R, B, O)
@group(1) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.z;
    let quad = group.x;
    if quad >= quads() {
        return;
    }
    let mean = quad_statistic(r, quad, 0u);
    let deviation = quad_statistic(r, quad, 1u);
    var mine = mat2x4<f32>(vec4(0.0), vec4(0.0));
    for (var o = lane; o < params.outputs; o += LANES) {
        let own = 2u * r * params.outputs + o;
        let scale = scales[own];
        let x = (quad_sums(quad_at(r, quad, o)) - mean) * deviation;
        let whole = quad_gradient(r, quad, o);
        pass_on(r, quad, o, whole);
        let h = scale * (whole * quad_slopes(x * scale + scales[own + params.outputs]));
        store_gradient(r, quad, o, h);
        mine += mat2x4<f32>(h, h * x);
    }
    let means = row_sums(lane, mine) * (1.0 / f32(params.outputs));
    for (var o = lane; o < params.outputs; o += LANES) {
        let at = quad_at(r, quad, o);
        let x = (quad_sums(at) - mean) * deviation;
        let h = vec4(f32(gradient[at.x]), f32(gradient[at.y]), f32(gradient[at.z]), f32(gradient[at.w]));
        store_gradient(r, quad, o, deviation * (h - means[0] - x * means[1]));
    }
}
