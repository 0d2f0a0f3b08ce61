// What comes after a dense layer's sums z: n = norm(z), y = (activation(n) + residual) * kept; shapes (R, B, O). `kept` is
// what dropout multiplies by: 0, or 1 / (1 - rate).
//
// Rows come in quads, of four: a block of random words is for the rows of a quad, so that an invocation takes as many, of
// one unit, and neighbours take neighbouring units.
//
// A shader that includes this file, `iteration`, `activation` and `random` declares `sums` and `params` with batch, outputs,
// activation, dropout (the layer's rate), dropped (1 where dropout is on, else 0) and layer.

const QUAD_ROWS: u32 = 4u;

fn quads() -> u32 {
    return (iteration.rows + QUAD_ROWS - 1u) / QUAD_ROWS;
}

fn quad_rows(quad: u32) -> vec4<u32> {
    return QUAD_ROWS * quad + vec4(0u, 1u, 2u, 3u);
}

// Which of a quad's rows there are.
fn quad_live(quad: u32) -> vec4<bool> {
    return quad_rows(quad) < vec4(iteration.rows);
}

// Where a quad's numbers of unit o are. Rows beyond the last repeat it, so that every read is in range; they are not
// stored.
fn quad_at(r: u32, quad: u32, o: u32) -> vec4<u32> {
    let rows = min(quad_rows(quad), vec4(iteration.rows - 1u));
    return (r * params.batch + rows) * params.outputs + o;
}

fn quad_sums(at: vec4<u32>) -> vec4<f32> {
    return vec4(sums[at.x], sums[at.y], sums[at.z], sums[at.w]);
}

fn quad_activations(n: vec4<f32>) -> vec4<f32> {
    return vec4(activate(n.x), activate(n.y), activate(n.z), activate(n.w));
}

fn quad_slopes(n: vec4<f32>) -> vec4<f32> {
    return vec4(activation_slope(n.x), activation_slope(n.y), activation_slope(n.z), activation_slope(n.w));
}

fn quad_kept(r: u32, quad: u32, o: u32) -> vec4<f32> {
    if params.dropped == 0u {
        return vec4(1.0);
    }
    let hyper = iteration.hypers[r];
    let rate = select(hyper.dropout, params.dropout, hyper.dropout < 0.0);
    let key = vec2(hyper.seed_low, hyper.seed_high);
    let words = random_words(key, quad * params.outputs + o, iteration.number, params.layer, PURPOSE_DROPOUT);
    let units = vec4(random_unit(words.x), random_unit(words.y), random_unit(words.z), random_unit(words.w));
    return select(vec4(0.0), vec4(1.0 / (1.0 - rate)), units >= vec4(rate));
}
