// Losses of one batch row: the value, the gradient by the row's logits, and whether the answer is right. Each
// constant's name is the loss's name in capitals; Rust looks its number up here.
//
// A shader that includes this file, `activation` and `iteration` says where a row's numbers are:
//   fn row_output(r: u32, b: u32, o: u32) -> f32               output o of row b, a logit or an activated output
//   fn store_gradient(r: u32, b: u32, o: u32, gradient: f32)
//   const ROW_GROUP: u32                                       rows a workgroup, a power of two
// and declares `targets`, `order`, `metrics`, `weights`, and `params` with activation, outputs, order_stride, slots,
// blocks, class_weights, label_smoothing and huber_delta.

const SOFTMAX_CROSS_ENTROPY: u32 = 0u;
const BINARY_CROSS_ENTROPY: u32 = 1u;
const MEAN_SQUARED_ERROR: u32 = 2u;
const MEAN_ABSOLUTE_ERROR: u32 = 3u;
const HUBER: u32 = 4u;
const HINGE: u32 = 5u;
const KULLBACK_LEIBLER: u32 = 6u;

override LOSS: u32 = SOFTMAX_CROSS_ENTROPY;

const CLASSES: u32 = 0u; // targets are u32 (N), a class each
const VALUES: u32 = 1u;  // targets are f32 (N, O)

override TARGETS: u32 = CLASSES;

const LEAST_PROBABILITY: f32 = 1.2e-38; // smaller ones may be flushed to zero, whose logarithm is no number

var<workgroup> row_metrics: array<vec2<f32>, ROW_GROUP>;

// Stores the gradient of row b; gives its weighted loss, and 1 if it is right, else 0. `scale` is the row's weight over
// the batch's sum of weights: the factor of every gradient.
fn row_loss(r: u32, b: u32) -> vec2<f32> {
    let n = order[r * params.order_stride + iteration.first + b];
    let weight = row_weight(n);
    let scale = weight * iteration.hypers[r].loss_scale * gradient_scale(iteration.hypers[r].loss_scale);
    var result: vec2<f32>;
    switch LOSS {
        case SOFTMAX_CROSS_ENTROPY: { result = softmax_cross_entropy(r, b, n, scale); }
        case BINARY_CROSS_ENTROPY: { result = binary_cross_entropy(r, b, n, scale); }
        case HINGE: { result = hinge(r, b, n, scale); }
        case KULLBACK_LEIBLER: { result = kullback_leibler(r, b, n, scale); }
        default: { result = differences(r, b, n, scale); }
    }
    return vec2(weight * result.x, result.y);
}

// `weights` are those of C classes, then those of N samples; without weights C is 0, and nothing is read.
fn class_weight(class_index: u32) -> f32 {
    if params.class_weights == 0u {
        return 1.0;
    }
    return weights[class_index];
}

// What sample n counts: its weight, times that of its class where the loss does not weigh classes itself.
fn row_weight(n: u32) -> f32 {
    if params.class_weights == 0u {
        return 1.0;
    }
    let weight = weights[params.class_weights + n];
    if TARGETS == CLASSES && LOSS != SOFTMAX_CROSS_ENTROPY {
        return weight * weights[targets[n]];
    }
    return weight;
}

// loss = sum_o t_o (log(sum_j exp(z_j)) - z_o), gradient_o = (softmax(z)_o sum_j t_j - t_o) scale, for logits z and
// targets t_o = w_o ((1 - s) y_o + s / O) with class weights w and label smoothing s. Without smoothing only the class's
// own target is not zero. The largest logit is subtracted first, so that no exponential overflows.
fn softmax_cross_entropy(r: u32, b: u32, n: u32, scale: f32) -> vec2<f32> {
    let best = largest(r, b);
    let top = row_output(r, b, best);
    let total = shifted_exponentials(r, b, top);
    if TARGETS == CLASSES && params.label_smoothing == 0.0 {
        let class_index = targets[n];
        let weight = class_weight(class_index);
        let share = weight * scale;
        for (var o = 0u; o < params.outputs; o++) {
            let probability = exp(row_output(r, b, o) - top) / total;
            store_gradient(r, b, o, (probability - select(0.0, 1.0, o == class_index)) * share);
        }
        let loss = log(total) - (row_output(r, b, min(class_index, params.outputs - 1u)) - top);
        return vec2(weight * loss, select(0.0, 1.0, best == class_index));
    }
    var sum = 0.0;
    var inner = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        let t = smoothed_target(n, o);
        sum += t;
        inner += t * (row_output(r, b, o) - top);
    }
    for (var o = 0u; o < params.outputs; o++) {
        let probability = exp(row_output(r, b, o) - top) / total;
        store_gradient(r, b, o, (probability * sum - smoothed_target(n, o)) * scale);
    }
    return vec2(sum * log(total) - inner, select(0.0, 1.0, best == target_class(n)));
}

fn smoothed_target(n: u32, o: u32) -> f32 {
    let even = params.label_smoothing / f32(params.outputs);
    return class_weight(o) * ((1.0 - params.label_smoothing) * class_share(n, o) + even);
}

// loss = sum_o y_o (log y_o - log softmax(z)_o), gradient_o = (softmax(z)_o sum_j y_j - y_o) scale, for logits z and
// probabilities y; y log y is 0 for y = 0.
fn kullback_leibler(r: u32, b: u32, n: u32, scale: f32) -> vec2<f32> {
    let best = largest(r, b);
    let top = row_output(r, b, best);
    let total = shifted_exponentials(r, b, top);
    var sum = 0.0;
    var inner = 0.0;
    var entropy = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        let y = class_share(n, o);
        sum += y;
        inner += y * (row_output(r, b, o) - top);
        if y > LEAST_PROBABILITY {
            entropy += y * log(y);
        }
    }
    for (var o = 0u; o < params.outputs; o++) {
        let probability = exp(row_output(r, b, o) - top) / total;
        store_gradient(r, b, o, (probability * sum - class_share(n, o)) * scale);
    }
    return vec2(entropy + sum * log(total) - inner, select(0.0, 1.0, best == target_class(n)));
}

// loss = mean_o (max(z, 0) - z y + log(1 + exp(-|z|))), gradient_o = (sigmoid(z) - y) scale / O, for logits z and
// targets y in [0, 1].
fn binary_cross_entropy(r: u32, b: u32, n: u32, scale: f32) -> vec2<f32> {
    let share = scale / f32(params.outputs);
    var loss = 0.0;
    for (var o = 0u; o < params.outputs; o++) {
        let z = row_output(r, b, o);
        let y = target_value(n, o);
        loss += select(z, 0.0, z < 0.0) - z * y + log(1.0 + exp(-abs(z)));
        store_gradient(r, b, o, (sigmoid(z) - y) * share);
    }
    return vec2(loss / f32(params.outputs), same_side(r, b, n));
}

// Of a class c among several outputs: loss = mean_o [o != c] max(0, 1 + z_o - z_c), gradient_o = [1 + z_o - z_c > 0]
// scale / O and for the class minus the others' sum. Else each output for itself, with t = 2 y - 1 for a target y of 0
// or 1: loss = mean_o max(0, 1 - t z), gradient_o = -t [1 - t z > 0] scale / O.
fn hinge(r: u32, b: u32, n: u32, scale: f32) -> vec2<f32> {
    let share = scale / f32(params.outputs);
    var loss = 0.0;
    if TARGETS == CLASSES && params.outputs > 1u {
        let class_index = targets[n];
        let own = row_output(r, b, min(class_index, params.outputs - 1u));
        var others = 0.0;
        for (var o = 0u; o < params.outputs; o++) {
            let margin = 1.0 + row_output(r, b, o) - own;
            if o != class_index {
                let inside = margin > 0.0;
                loss += select(margin, 0.0, margin <= 0.0); // a NaN stays
                others += select(0.0, share, inside);
                store_gradient(r, b, o, select(0.0, share, inside));
            }
        }
        store_gradient(r, b, min(class_index, params.outputs - 1u), -others);
        return vec2(loss / f32(params.outputs), same_side(r, b, n));
    }
    for (var o = 0u; o < params.outputs; o++) {
        let t = 2.0 * target_value(n, o) - 1.0;
        let margin = 1.0 - t * row_output(r, b, o);
        loss += select(margin, 0.0, margin <= 0.0);
        store_gradient(r, b, o, select(0.0, -(t * share), margin > 0.0));
    }
    return vec2(loss / f32(params.outputs), same_side(r, b, n));
}

// 1 if each logit is on its target's side of zero, else 0; of several outputs with a class, if that is the largest.
fn same_side(r: u32, b: u32, n: u32) -> f32 {
    if TARGETS == CLASSES && params.outputs > 1u {
        return select(0.0, 1.0, largest(r, b) == targets[n]);
    }
    var same = true;
    for (var o = 0u; o < params.outputs; o++) {
        same = same && ((row_output(r, b, o) > 0.0) == (target_value(n, o) > 0.5));
    }
    return select(0.0, 1.0, same);
}

// Losses of the difference d = a - y of an activated output a from its target y: value, and slope by d.
fn mean_squared_error(d: f32) -> vec2<f32> {
    return vec2(d * d, 2.0 * d);
}

fn mean_absolute_error(d: f32) -> vec2<f32> {
    return vec2(abs(d), select(select(0.0, -1.0, d < 0.0), 1.0, d > 0.0));
}

// c (d - c / 2) and c, where c is d cut to [-delta, delta]: d² / 2 near the target, delta (|d| - delta / 2) beyond.
fn huber(d: f32) -> vec2<f32> {
    let above = select(d, -params.huber_delta, d < -params.huber_delta); // not clamp(), which may hide a NaN
    let c = select(above, params.huber_delta, above > params.huber_delta);
    return vec2(c * (d - 0.5 * c), c);
}

fn difference_loss(d: f32) -> vec2<f32> {
    switch LOSS {
        case MEAN_SQUARED_ERROR: { return mean_squared_error(d); }
        case MEAN_ABSOLUTE_ERROR: { return mean_absolute_error(d); }
        default: { return huber(d); }
    }
}

// loss = mean_o value(a_o - y_o), gradient by the logits: slope(a - y) activation'(z) scale / O, for activated outputs a.
// With a softmax output the step reads logits and takes the softmax of the row itself, whose derivative mixes the row:
// gradient_o = p_o (g_o - sum_j g_j p_j) with g = slope(p - y) scale / O.
fn differences(r: u32, b: u32, n: u32, scale: f32) -> vec2<f32> {
    let share = scale / f32(params.outputs);
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
        let own = difference_loss(a - target_value(n, o));
        loss += own.x;
        mixed += own.y * share * a;
    }
    for (var o = 0u; o < params.outputs; o++) {
        let a = answer(row_output(r, b, o), top, total);
        let slope = difference_loss(a - target_value(n, o)).y * share;
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
    return vec2(loss / f32(params.outputs), select(0.0, 1.0, right));
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
    if TARGETS == CLASSES && params.outputs == 1u {
        return f32(targets[n]);
    }
    return class_share(n, o);
}

// What class o has of the target: its value, or 1 for the class and 0 for the others.
fn class_share(n: u32, o: u32) -> f32 {
    if TARGETS == VALUES {
        return bitcast<f32>(targets[n * params.outputs + o]);
    }
    return select(0.0, 1.0, targets[n] == o);
}

// The class of sample n, or the first of those with the largest value.
fn target_class(n: u32) -> u32 {
    if TARGETS == CLASSES {
        return targets[n];
    }
    var best = 0u;
    for (var o = 1u; o < params.outputs; o++) {
        if class_share(n, o) > class_share(n, best) {
            best = o;
        }
    }
    return best;
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
