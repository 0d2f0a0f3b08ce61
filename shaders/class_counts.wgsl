// How a batch's rows were classified: each adds 1 to the confusion matrix and to the rank of its class, and two-class
// models leave each row's score. Whole numbers, so that the order of the additions does not matter. One invocation a row.

struct Params {
    batch: u32,        // B
    outputs: u32,      // O
    order_stride: u32, // N, or 0 when all replicas share one order
    classes: u32,      // C: O, or 2 for a single output
    threshold: f32,    // above which a single output stands for class 1
    score_stride: u32, // S, scores a replica has room for; 0 with more than two classes
}

@group(1) @binding(0) var<storage, read> outputs: array<f32>;                     // (R, B, O)
@group(1) @binding(1) var<storage, read> targets: array<u32>;                     // (N) or (N, O) as f32
@group(1) @binding(2) var<storage, read> order: array<u32>;                       // (R, N) or (N)
@group(1) @binding(3) var<storage, read_write> confusion: array<atomic<u32>>;     // (R, C, C): true class, predicted class
@group(1) @binding(4) var<storage, read_write> ranks: array<atomic<u32>>;         // (R, C): outputs before the true class's
@group(1) @binding(5) var<storage, read_write> scores: array<f32>;                // (R, S), of class 1, in the order's order
@group(1) @binding(6) var<uniform> params: Params;

const CLASSES: u32 = 0u; // targets are u32 (N), a class each
const VALUES: u32 = 1u;  // targets are f32 (N, O)

override TARGETS: u32 = CLASSES;

const ROW_GROUP: u32 = 64u; // rows a workgroup

@compute @workgroup_size(ROW_GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let b = thread.x;
    let r = thread.z;
    if b >= iteration.rows {
        return;
    }
    let place = iteration.first + b;
    let start = (r * params.batch + b) * params.outputs;
    let own = target_class(order[r * params.order_stride + place]);
    var predicted = 0u;
    var rank = 0u;
    if params.outputs == 1u {
        predicted = select(0u, 1u, outputs[start] > params.threshold);
        rank = select(1u, 0u, predicted == own);
    } else {
        // The first of equal outputs comes first.
        for (var o = 1u; o < params.outputs; o++) {
            predicted = select(predicted, o, outputs[start + o] > outputs[start + predicted]);
        }
        let score = outputs[start + min(own, params.outputs - 1u)];
        for (var o = 0u; o < params.outputs; o++) {
            let other = outputs[start + o];
            rank += select(0u, 1u, other > score || (other == score && o < own));
        }
    }
    atomicAdd(&confusion[(r * params.classes + own) * params.classes + predicted], 1u);
    atomicAdd(&ranks[r * params.classes + rank], 1u);
    if params.score_stride > 0u {
        var score = outputs[start];
        if params.outputs == 2u {
            score = outputs[start + 1u] - outputs[start];
        }
        scores[r * params.score_stride + place] = score;
    }
}

// The class of sample n: its label; of values the first largest, or of a single one whether it is above one half.
fn target_class(n: u32) -> u32 {
    if TARGETS == CLASSES {
        return targets[n];
    }
    if params.outputs == 1u {
        return select(0u, 1u, target_value(n, 0u) > 0.5);
    }
    var best = 0u;
    for (var o = 1u; o < params.outputs; o++) {
        best = select(best, o, target_value(n, o) > target_value(n, best));
    }
    return best;
}

fn target_value(n: u32, o: u32) -> f32 {
    return bitcast<f32>(targets[n * params.outputs + o]);
}
