// The backward step of a tail without a norm: the gradient by the sums takes the place of that by the outputs,
// gradient = (gradient + skipped) * kept * activation'(z); shapes (R, B, O). One invocation for each unit of four rows.

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
@group(1) @binding(1) var<storage, read> skipped: array<Stored>;        // (R, B, O)
@group(1) @binding(2) var<storage, read_write> gradient: array<Stored>; // (R, B, O)
@group(1) @binding(3) var<storage, read_write> passed: array<Stored>;   // (R, B, O)
@group(1) @binding(4) var<uniform> params: Params;

const GROUP: u32 = 64u; // units a workgroup

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let r = thread.z;
    let quad = thread.y;
    let o = thread.x;
    if o >= params.outputs || quad >= quads() {
        return;
    }
    let g = quad_gradient(r, quad, o);
    pass_on(r, quad, o, g);
    store_gradient(r, quad, o, g * quad_slopes(quad_sums(quad_at(r, quad, o))));
}
