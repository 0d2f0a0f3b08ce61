// The start of a tail's backward step: from the gradient by y to that by activation(n) + residual.
//
// A shader that includes this file and `tail` declares `gradient` (by y, as the next layer gives it), `skipped` (by y too,
// as later layers give it that add y), and `params.skips` (1 where there are such layers).

// The gradient by activation(n) + residual.
fn quad_gradient(r: u32, quad: u32, o: u32) -> vec4<f32> {
    let at = quad_at(r, quad, o);
    var g = vec4(f32(gradient[at.x]), f32(gradient[at.y]), f32(gradient[at.z]), f32(gradient[at.w]));
    if params.skips == 1u {
        g += vec4(f32(skipped[at.x]), f32(skipped[at.y]), f32(skipped[at.z]), f32(skipped[at.w]));
    }
    return g * quad_kept(r, quad, o);
}
