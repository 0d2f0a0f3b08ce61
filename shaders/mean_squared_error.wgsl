// loss = mean_o (a_o - y_o)², gradient by the logits: 2 (a - y) activation'(z) / (rows O), for activated outputs a.
// With a softmax output the step reads logits and takes the softmax of the row itself, whose derivative mixes the row:
// gradient_o = p_o (g_o - sum_j g_j p_j) with g = 2 (p - y) / (rows O).

fn row_loss(r: u32, b: u32) -> vec2<f32> {
    let start = row_start(r, b);
    let n = sample(r, b);
    let count = f32(params.outputs);
    let share = f32(iteration.rows) * count;
    let best = largest(start);
    let top = outputs[start + best];
    var total = 0.0;
    if ACTIVATION == SOFTMAX {
        for (var o = 0u; o < params.outputs; o++) {
            total += exp(outputs[start + o] - top);
        }
    }
    var loss = 0.0;
    var mixed = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        let a = output_value(start + o, top, total);
        let difference = a - target_value(n, o);
        loss += difference * difference;
        mixed += 2.0 * difference / share * a;
    }
    for (var o = 0u; o < params.outputs; o++) {
        let a = output_value(start + o, top, total);
        let slope = 2.0 * (a - target_value(n, o)) / share;
        if ACTIVATION == SOFTMAX {
            gradient[start + o] = a * (slope - mixed);
        } else {
            gradient[start + o] = slope * activation_derivative(a);
        }
    }
    var right = false;
    if TARGETS == CLASSES {
        right = best == targets[n];
        if params.outputs == 1u {
            right = (outputs[start] > 0.5) == (target_value(n, 0u) > 0.5);
        }
    }
    return vec2(loss / count, select(0.0, 1.0, right));
}

fn output_value(at: u32, top: f32, total: f32) -> f32 {
    if ACTIVATION == SOFTMAX {
        return exp(outputs[at] - top) / total;
    }
    return outputs[at];
}
