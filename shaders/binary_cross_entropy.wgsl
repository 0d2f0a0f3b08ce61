// loss = mean_o (max(z, 0) - z y + log(1 + exp(-|z|))), gradient_o = (sigmoid(z) - y) / (rows O), for logits z and
// targets y in [0, 1].

fn row_loss(r: u32, b: u32) -> vec2<f32> {
    let start = row_start(r, b);
    let n = sample(r, b);
    let count = f32(params.outputs);
    let share = f32(iteration.rows) * count;
    var loss = 0.0;
    var same_side = true;
    for (var o = 0u; o < params.outputs; o++) {
        let z = outputs[start + o];
        let y = target_value(n, o);
        loss += select(z, 0.0, z < 0.0) - z * y + log(1.0 + exp(-abs(z)));
        gradient[start + o] = (sigmoid(z) - y) / share;
        same_side = same_side && ((z > 0.0) == (y > 0.5));
    }
    var right = same_side;
    if TARGETS == CLASSES && params.outputs > 1u {
        right = largest(start) == targets[n];
    }
    return vec2(loss / count, select(0.0, 1.0, right));
}
