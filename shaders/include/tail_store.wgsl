// Where a tail's backward step leaves gradients.
//
// A shader that includes this file and `tail` declares `gradient`, `passed` (the gradient by the residual's source), and
// `params.passing`: PASS_NOTHING without a residual, PASS_FIRST where no later layer adds that source, else PASS_MORE.

const PASS_NOTHING: u32 = 0u;
const PASS_FIRST: u32 = 1u;
const PASS_MORE: u32 = 2u;

fn store_gradient(r: u32, quad: u32, o: u32, g: vec4<f32>) {
    let at = quad_at(r, quad, o);
    let live = quad_live(quad);
    if live.x { gradient[at.x] = Stored(g.x); }
    if live.y { gradient[at.y] = Stored(g.y); }
    if live.z { gradient[at.z] = Stored(g.z); }
    if live.w { gradient[at.w] = Stored(g.w); }
}

// The residual's source gets the gradient by the sum that it is part of.
fn pass_on(r: u32, quad: u32, o: u32, g: vec4<f32>) {
    if params.passing == PASS_NOTHING {
        return;
    }
    let at = quad_at(r, quad, o);
    var all = g;
    if params.passing == PASS_MORE {
        all += vec4(f32(passed[at.x]), f32(passed[at.y]), f32(passed[at.z]), f32(passed[at.w]));
    }
    let live = quad_live(quad);
    if live.x { passed[at.x] = Stored(all.x); }
    if live.y { passed[at.y] = Stored(all.y); }
    if live.z { passed[at.z] = Stored(all.z); }
    if live.w { passed[at.w] = Stored(all.w); }
}
