// loss = log(sum_o exp(z_o)) - z_t, gradient_o = (softmax(z)_o - [o = t]) / rows, for logits z and class t.
// The largest logit is subtracted first, so that no exponential overflows.

fn row_loss(r: u32, b: u32) -> vec2<f32> {
    let start = row_start(r, b);
    let class_index = targets[sample(r, b)];
    let best = largest(start);
    let top = outputs[start + best];
    var total = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        total += exp(outputs[start + o] - top);
    }
    let rows = f32(iteration.rows);
    for (var o = 0u; o < params.outputs; o++) {
        let probability = exp(outputs[start + o] - top) / total;
        gradient[start + o] = (probability - select(0.0, 1.0, o == class_index)) / rows;
    }
    let loss = log(total) - (outputs[start + min(class_index, params.outputs - 1u)] - top);
    return vec2(loss, select(0.0, 1.0, best == class_index));
}
