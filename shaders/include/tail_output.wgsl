// The end of a tail's forward step: y = (activation(n) + residual) * kept.
//
// A shader that includes this file and `tail` declares `residual`, `output` and `params.added` (1 where a residual is added).

fn store_output(r: u32, quad: u32, o: u32, n: vec4<f32>) {
    let at = quad_at(r, quad, o);
    var y = quad_activations(n);
    if params.added == 1u {
        y += vec4(f32(residual[at.x]), f32(residual[at.y]), f32(residual[at.z]), f32(residual[at.w]));
    }
    y *= quad_kept(r, quad, o);
    let live = quad_live(quad);
    if live.x { output[at.x] = Stored(y.x); }
    if live.y { output[at.y] = Stored(y.y); }
    if live.z { output[at.z] = Stored(y.z); }
    if live.w { output[at.w] = Stored(y.w); }
}
