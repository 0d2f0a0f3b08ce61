// The last layer's forward step and the loss of what it gives, where a row's outputs fit a workgroup:
// outputs = activation(input weightᵀ + bias), shapes (R, B, O) = (R, B, I) (R, O, I)ᵀ + (R, O), which are not stored,
// and the loss of each row. A workgroup has ROW_GROUP rows and all their outputs.
//
// `split` shares each sum out over the lanes of a team, of which each output has one: for GPUs. `direct` gives each row
// one invocation, which computes a few outputs at a time: for software adapters, where invocations are SIMD lanes and
// a weight that all of them need is read once.

struct Params {
    batch: u32,        // B
    inputs: u32,       // I
    outputs: u32,      // O, at most MOST_OUTPUTS
    order_stride: u32, // N, or 0 when all replicas share one order
    scale: f32,        // samples are multiplied by it
    activation: u32,
    slots: u32,        // steps that the metrics have room for
    blocks: u32,       // workgroups a replica: B / ROW_GROUP, rounded up
    class_weights: u32, // C, or 0 where neither classes nor samples have weights
    label_smoothing: f32,
    huber_delta: f32,
}

@group(1) @binding(2) var<storage, read> weight: array<f32>;              // (R, O, I)
@group(1) @binding(3) var<storage, read> bias: array<f32>;                // (R, O)
@group(1) @binding(4) var<storage, read> targets: array<u32>;             // (N) or (N, O) as f32
@group(1) @binding(5) var<storage, read_write> gradient: array<Stored>;      // (R, B, O), of the loss by the logits
@group(1) @binding(6) var<storage, read_write> metrics: array<vec2<f32>>; // (R, slots, blocks) of (loss sum, right answers)
@group(1) @binding(7) var<uniform> params: Params;
@group(1) @binding(8) var<storage, read> weights: array<f32>;             // (C + N), of classes, then of samples

const ROW_GROUP: u32 = 8u;
const MOST_OUTPUTS: u32 = 64u;
const LANES: u32 = 16u; // that share a sum
const TEAMS: u32 = 16u; // of lanes: outputs at a time
const COLUMNS: u32 = 4u; // outputs at a time of `direct`

var<workgroup> outputs: array<f32, MOST_OUTPUTS * ROW_GROUP>; // (O, ROW_GROUP)
// Each lane's sums, of the first four and the other four rows.
var<workgroup> upper_sums: array<vec4<f32>, TEAMS * LANES>;
var<workgroup> lower_sums: array<vec4<f32>, TEAMS * LANES>;

@compute @workgroup_size(LANES, TEAMS)
fn split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let r = group.z;
    let first = group.x * ROW_GROUP;
    if first >= iteration.rows {
        return;
    }
    let upper = row_starts(r, first);
    let lower = row_starts(r, first + 4u);
    for (var o0 = 0u; o0 < params.outputs; o0 += TEAMS) {
        let o = o0 + local.y;
        var sums = array(vec4(0.0), vec4(0.0));
        if o < params.outputs {
            for (var i = local.x; i < params.inputs; i += LANES) {
                let w = weight_value(r, o, i);
                sums[0] += w * input_values(upper, i);
                sums[1] += w * input_values(lower, i);
            }
        }
        upper_sums[index] = sums[0];
        lower_sums[index] = sums[1];
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if local.x < half {
                upper_sums[index] += upper_sums[index + half];
                lower_sums[index] += lower_sums[index + half];
            }
        }
        if local.x == 0u && o < params.outputs {
            for (var row = 0u; row < 4u; row++) {
                finish(r, row, o, upper_sums[index][row]);
                finish(r, row + 4u, o, lower_sums[index][row]);
            }
        }
        workgroupBarrier();
    }
    var mine = vec2(0.0);
    if index < ROW_GROUP && first + index < iteration.rows {
        mine = row_loss(r, first + index);
    }
    store_block_metrics(r, group.x, index, mine);
}

@compute @workgroup_size(ROW_GROUP)
fn direct(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let r = group.z;
    let b = group.x * ROW_GROUP + index;
    var mine = vec2(0.0);
    if b < iteration.rows {
        let start = input_row(r, b, params.batch, params.order_stride) * params.inputs;
        for (var o = 0u; o < params.outputs; o += COLUMNS) {
            // Columns beyond the edge repeat the last one, so that every read is in range; they are not stored.
            let columns = min(vec4(o, o + 1u, o + 2u, o + 3u), vec4(params.outputs - 1u));
            var sums = vec4(0.0);
            for (var i = 0u; i < params.inputs; i++) {
                let weights = vec4(
                    weight_value(r, columns.x, i),
                    weight_value(r, columns.y, i),
                    weight_value(r, columns.z, i),
                    weight_value(r, columns.w, i),
                );
                sums += input_value(start + i, params.scale) * weights;
            }
            for (var j = 0u; j < COLUMNS && o + j < params.outputs; j++) {
                finish(r, index, o + j, sums[j]);
            }
        }
        mine = row_loss(r, b);
    }
    store_block_metrics(r, group.x, index, mine);
}

// Where four rows start in `input`. Rows beyond the last repeat it, so that every read is in range.
fn row_starts(r: u32, first: u32) -> vec4<u32> {
    let b = min(vec4(first, first + 1u, first + 2u, first + 3u), vec4(iteration.rows - 1u));
    let rows = vec4(
        input_row(r, b.x, params.batch, params.order_stride),
        input_row(r, b.y, params.batch, params.order_stride),
        input_row(r, b.z, params.batch, params.order_stride),
        input_row(r, b.w, params.batch, params.order_stride),
    );
    return rows * params.inputs;
}

// Input i of four rows.
fn input_values(starts: vec4<u32>, i: u32) -> vec4<f32> {
    return vec4(
        input_value(starts.x + i, params.scale),
        input_value(starts.y + i, params.scale),
        input_value(starts.z + i, params.scale),
        input_value(starts.w + i, params.scale),
    );
}

fn weight_value(r: u32, o: u32, i: u32) -> f32 {
    return weight[(r * params.outputs + o) * params.inputs + i];
}

// Output o of a row of the block.
fn finish(r: u32, row: u32, o: u32, sum: f32) {
    outputs[o * ROW_GROUP + row] = activate(sum + bias[r * params.outputs + o]);
}

fn row_output(r: u32, b: u32, o: u32) -> f32 {
    return outputs[o * ROW_GROUP + b % ROW_GROUP];
}

fn store_gradient(r: u32, b: u32, o: u32, value: f32) {
    gradient[(r * params.batch + b) * params.outputs + o] = Stored(value);
}
