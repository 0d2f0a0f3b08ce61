// Losses of one batch row: the value, the gradient by the row's logits, and whether the answer is right. Each
// constant's name is the loss's name in capitals; Rust looks its number up here.
//
// A shader that includes this file, `activation` and `iteration` says where a row's numbers are:
//   fn row_output(r: u32, b: u32, o: u32) -> f32               output o of row b, a logit or an activated output
//   fn store_gradient(r: u32, b: u32, o: u32, gradient: f32)
//   const ROW_GROUP: u32                                       rows a workgroup, a power of two
// and declares `targets`, `order`, `metrics`, and `params` with activation, outputs, order_stride, slots and blocks.

const SOFTMAX_CROSS_ENTROPY: u32 = 0u;
const BINARY_CROSS_ENTROPY: u32 = 1u;
const MEAN_SQUARED_ERROR: u32 = 2u;

override LOSS: u32 = SOFTMAX_CROSS_ENTROPY;

const CLASSES: u32 = 0u; // targets are u32 (N), a class each
const VALUES: u32 = 1u;  // targets are f32 (N, O)

override TARGETS: u32 = CLASSES;

var<workgroup> row_metrics: array<vec2<f32>, ROW_GROUP>;

// Stores the gradient of row b; gives its loss, and 1 if it is right, else 0.
fn row_loss(r: u32, b: u32) -> vec2<f32> {
    let n = order[r * params.order_stride + iteration.first + b];
    switch LOSS {
        case BINARY_CROSS_ENTROPY: { return binary_cross_entropy(r, b, n); }
        case MEAN_SQUARED_ERROR: { return mean_squared_error(r, b, n); }
        default: { return softmax_cross_entropy(r, b, n); }
    }
}

// loss = log(sum_o exp(z_o)) - z_t, gradient_o = (softmax(z)_o - [o = t]) / rows, for logits z and class t.
// The largest logit is subtracted first, so that no exponential overflows.
fn softmax_cross_entropy(r: u32, b: u32, n: u32) -> vec2<f32> {
    let class_index = targets[n];
    let best = largest(r, b);
    let top = row_output(r, b, best);
    let total = shifted_exponentials(r, b, top);
    let rows = f32(iteration.rows);
    for (var o = 0u; o < params.outputs; o++) {
        let probability = exp(row_output(r, b, o) - top) / total;
        store_gradient(r, b, o, (probability - select(0.0, 1.0, o == class_index)) / rows);
    }
    let loss = log(total) - (row_output(r, b, min(class_index, params.outputs - 1u)) - top);
    return vec2(loss, select(0.0, 1.0, best == class_index));
}

// loss = mean_o (max(z, 0) - z y + log(1 + exp(-|z|))), gradient_o = (sigmoid(z) - y) / (rows O), for logits z and
// targets y in [0, 1].
fn binary_cross_entropy(r: u32, b: u32, n: u32) -> vec2<f32> {
    let count = f32(params.outputs);
    let share = f32(iteration.rows) * count;
    var loss = 0.0;
    var same_side = true;
    for (var o = 0u; o < params.outputs; o++) {
        let z = row_output(r, b, o);
        let y = target_value(n, o);
        loss += select(z, 0.0, z < 0.0) - z * y + log(1.0 + exp(-abs(z)));
        store_gradient(r, b, o, (sigmoid(z) - y) / share);
        same_side = same_side && ((z > 0.0) == (y > 0.5));
    }
    var right = same_side;
    if TARGETS == CLASSES && params.outputs > 1u {
        right = largest(r, b) == targets[n];
    }
    return vec2(loss / count, select(0.0, 1.0, right));
}

// loss = mean_o (a_o - y_o)², gradient by the logits: 2 (a - y) activation'(z) / (rows O), for activated outputs a.
// With a softmax output the step reads logits and takes the softmax of the row itself, whose derivative mixes the row:
// gradient_o = p_o (g_o - sum_j g_j p_j) with g = 2 (p - y) / (rows O).
fn mean_squared_error(r: u32, b: u32, n: u32) -> vec2<f32> {
    let count = f32(params.outputs);
    let share = f32(iteration.rows) * count;
    let best = largest(r, b);
    let top = row_output(r, b, best);
    var total = 0.0;
    if params.activation == SOFTMAX {
        total = shifted_exponentials(r, b, top);
    }
    var loss = 0.0;
    var mixed = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        let a = answer(row_output(r, b, o), top, total);
        let difference = a - target_value(n, o);
        loss += difference * difference;
        mixed += 2.0 * difference / share * a;
    }
    for (var o = 0u; o < params.outputs; o++) {
        let a = answer(row_output(r, b, o), top, total);
        let slope = 2.0 * (a - target_value(n, o)) / share;
        if params.activation == SOFTMAX {
            store_gradient(r, b, o, a * (slope - mixed));
        } else {
            store_gradient(r, b, o, slope * activation_derivative(a));
        }
    }
    var right = false;
    if TARGETS == CLASSES {
        right = best == targets[n];
        if params.outputs == 1u {
            right = (row_output(r, b, 0u) > 0.5) == (target_value(n, 0u) > 0.5);
        }
    }
    return vec2(loss / count, select(0.0, 1.0, right));
}

// What the output layer answers: of a softmax layer the step has the logit.
fn answer(output: f32, top: f32, total: f32) -> f32 {
    if params.activation == SOFTMAX {
        return exp(output - top) / total;
    }
    return output;
}

// Target o of sample n: its value, or 1 for its class and 0 for the others; a single output takes the class itself.
fn target_value(n: u32, o: u32) -> f32 {
    if TARGETS == VALUES {
        return bitcast<f32>(targets[n * params.outputs + o]);
    }
    if params.outputs == 1u {
        return f32(targets[n]);
    }
    return select(0.0, 1.0, targets[n] == o);
}

// The first largest output of a row.
fn largest(r: u32, b: u32) -> u32 {
    var best = 0u;
    var top = row_output(r, b, 0u);
    for (var o = 1u; o < params.outputs; o++) {
        let output = row_output(r, b, o);
        if output > top {
            best = o;
            top = output;
        }
    }
    return best;
}

fn shifted_exponentials(r: u32, b: u32, top: f32) -> f32 {
    var total = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        total += exp(row_output(r, b, o) - top);
    }
    return total;
}

// Sums the metrics of a workgroup's rows in a fixed order, `mine` being those of row `local` of the block. Each block
// has its own place in the metrics, so that nothing waits for another workgroup; the host adds the few block sums.
fn store_block_metrics(r: u32, block: u32, local: u32, mine: vec2<f32>) {
    if local < ROW_GROUP {
        row_metrics[local] = mine;
    }
    for (var half = ROW_GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            row_metrics[local] += row_metrics[local + half];
        }
    }
    // Blocks without live rows stay as they are, as on the CPU.
    if local == 0u && block * ROW_GROUP < iteration.rows {
        metrics[(r * params.slots + iteration.slot) * params.blocks + block] = row_metrics[0];
    }
}
