//! Verification fails on kernels that are subtly wrong, and says which.

use crate::gpu::Gpu;
use crate::ops::{Shader, shaders};
use crate::precision::Precision;
use crate::verify::cases::suites;
use crate::verify::kernels::Answered;
use crate::verify::{VerifyOptions, test_gpu, verify};

/// The device, with a piece of a kernel's WGSL replaced.
pub(crate) fn broken(gpu: &Gpu, stem: &str, from: &str, to: &str) -> Gpu {
    let own = shaders().into_iter().find(|shader| shader.stem == stem).unwrap();
    assert_eq!(own.source.matches(from).count(), 1, "{stem}: `{from}` must be there just once");
    let source = own.source.replace(from, to).leak();
    Gpu { replaced: vec![Box::leak(Box::new(Shader { stem: own.stem, source }))], ..gpu.clone() }
}

const DIRECT: &[&str] = &["direct"];
const SLICED: &[&str] = &["split16"];
const TILED: &[&str] = &["tile64"];
const SHARED: &[&str] = &["split16", "tile64"];
const ALL: &[&str] = &["direct", "split16", "tile64"];
const PLAIN: &[&str] = &["plain"];
const SPLIT: &[&str] = &["split"];
const FUSED: &[&str] = &["split", "direct"];

/// Kernel, what stands there, what a mistake would make of it, and which variants it spoils.
#[rustfmt::skip]
const MUTATIONS: &[(&str, &str, &str, &[&str])] = &[
    // The last k is left out, or a slice of them.
    ("dense_forward", "k < size.z; k += 4u", "k + 4u < size.z; k += 4u", DIRECT),
    ("dense_input_gradient", "k < size.z; k++", "k + 1u < size.z; k++", DIRECT),
    ("dense_weight_gradient", "let next = min(k, size.z - 1u);", "let next = k - 1u;", DIRECT),
    ("dense_weight_gradient", "let a_next = select(left", "let a_next = select(1.000244140625 * left", DIRECT),
    ("dense_forward", "k < size.z; k += depth()", "k + 1u < size.z; k += depth()", TILED),
    ("dense_forward", "s < SLICES; s++", "s + 1u < SLICES; s++", SLICED),
    ("dense_weight_gradient", "k < size.z; k += SLICES", "k + 1u < size.z; k += SLICES", SLICED),
    // Whole runs from the wrong place.
    ("dense_forward", "return weight[(start + i) / 4u];", "return weight[(start + i) / 4u + 1u];", ALL),
    ("dense_forward", "bitcast<vec4<f32>>(input[index / 4u]) * scale", "bitcast<vec4<f32>>(input[index / 4u]).xyww * scale", ALL),
    // A row goes missing at the edge of a tile.
    ("dense_weight_gradient", "i < 4u && m + i < size.x", "i < 4u && m + i + 1u < size.x", DIRECT),
    ("dense_input_gradient", "group.x * TILE + column < size.y", "group.x * TILE + column + 1u < size.y", SLICED),
    ("dense_input_gradient", "i < 4u && m[i] < size.x", "i < 4u && m[i] + 1u < size.x", TILED),
    // The rows behind a short batch are overwritten.
    ("dense_forward", "vec3(iteration.rows, params.outputs", "vec3(params.batch, params.outputs", ALL),
    // Two of four columns are swapped; a block is transposed; another's rows.
    ("dense_weight_gradient", "fma(a[0], b[1].xxxx, c[1])", "fma(a[0], b[1].xxxx, c[0])", SHARED),
    ("dense_weight_gradient", "fma(a, b.yyyy, c[1])", "fma(a, b.yyyy, c[0])", DIRECT),
    ("dense_weight_gradient", "finish(r, m[i], n[j], sums[j][i])", "finish(r, m[i], n[j], sums[i][j])", TILED),
    ("dense_forward", "finish_block(r, rows_1, columns_0, size, c_10)", "finish_block(r, rows_1, columns_0, size, c_01)", &["tile128"]),
    // A tile is overwritten while it is read.
    ("dense_forward", "buffer = 1u - buffer;", "", TILED),
    // A little less than f32: the factor is 1 + 2^-12.
    ("dense_forward", "fma(a[2], b[3].zzzz", "fma(1.000244140625 * a[2], b[3].zzzz", ALL),
    // The bias, the order's offset, the scale, another replica.
    ("dense_forward", "activate(sum + bias[r * params.outputs + o])", "activate(sum)", ALL),
    ("dense_forward", "r * order_stride + iteration.first + b", "r * order_stride + b", ALL),
    ("dense_weight_gradient", "& 0xffu) * scale", "& 0xffu)", ALL),
    ("dense_input_gradient", "return (r * params.outputs + o) * params.inputs", "return o * params.inputs", ALL),
    // Derivatives.
    ("dense_input_gradient", "case TANH: { return 1.0 - a * a; }", "case TANH: { return 1.0 - a; }", ALL),
    ("dense_input_gradient", "select(0.0, 1.0, a > 0.0)", "select(0.0, 1.0, a >= 0.0)", ALL),
    // Updates.
    ("dense_weight_gradient", "g + hyper.momentum * velocity, NESTEROV", "hyper.momentum * velocity, NESTEROV", ALL),
    ("dense_weight_gradient", "g += hyper.decay * before.value", "g += 0.0", ALL),
    ("dense_weight_gradient", "hyper.l1 * sign(before.value)", "hyper.l1", ALL),
    ("dense_weight_gradient", "* hyper.correction_y + EPSILON;\n    return", "+ EPSILON;\n    return", ALL),
    ("dense_weight_gradient", "second_state[state + count] = after.state.y", "second_state[state] = after.state.y", ALL),
    ("update", "first_state[state + 2u * count] = after.state.z", "first_state[state + count] = after.state.z", PLAIN),
    ("update", "let own = i - params.first_len;", "let own = i - params.first_len + 1u;", PLAIN),
    ("update", "gradient * scale[r]", "gradient * scale[0]", PLAIN),
    ("update", "g > clip_value", "g > 2.0 * clip_value", PLAIN),
    ("update", "max(square - mean * mean, 0.0)", "square", PLAIN),
    ("update", "select(0.0, 1.0, DECOUPLED)", "0.0", PLAIN),
    ("update", "* sign(direction)", "* direction", PLAIN),
    ("update", "hyper.correction_z * state.x", "hyper.correction_x * state.x", PLAIN),
    ("update", "vec3(square, steps, before.state.z)", "vec3(square, before.state.yz)", PLAIN),
    // Norms: another layer's blocks, half of the sum, another step's metrics, the wrong side of the limit.
    ("gradient_norm", "params.offset + group.x", "group.x", PLAIN),
    ("gradient_norm", "half > 0u", "half > 1u", PLAIN),
    ("clip_norm", "iteration.slot + 1u", "1u", PLAIN),
    ("clip_norm", "half > 0u", "half > 1u", PLAIN),
    ("clip_norm", "factor < 1.0", "factor > 1.0", PLAIN),
    ("max_norm", "norm > params.limit", "norm >= 0.0", PLAIN),
    ("max_norm", "(group.z * params.outputs", "(0u * params.outputs", PLAIN),
    // Losses: the wrong share, the wrong class, `<` for `<=`, a row that does not count.
    ("loss_step", "o == class_index)) * share", "o == class_index)) * weight", PLAIN),
    ("loss_step", "log(total) - (", "log(total) + (", PLAIN),
    ("loss_step", "(sigmoid(z) - y) * share", "(sigmoid(z) - y) * scale", PLAIN),
    ("loss_step", "loss += select(z, 0.0, z < 0.0) - z * y", "loss += z - z * y", PLAIN),
    ("loss_step", "a * (slope - mixed)", "a * slope", PLAIN),
    ("loss_step", "ROW_GROUP / 2u; half > 0u", "ROW_GROUP / 2u; half > 1u", PLAIN),
    ("loss_step", "best == class_index)", "best <= class_index)", PLAIN),
    // Weights, options, and the other losses' own.
    ("loss_step", "weights[params.class_weights + n]", "weights[n]", PLAIN),
    ("loss_step", "weight * weights[targets[n]]", "weight", PLAIN),
    ("loss_step", "vec2(weight * result.x", "vec2(result.x", PLAIN),
    ("loss_step", "weight * iteration.hypers[r].loss_scale", "weight * iteration.hypers[0].loss_scale + f32(r) * 1e-3", PLAIN),
    ("loss_step", "class_share(n, o) + even", "class_share(n, o)", PLAIN),
    ("loss_step", "return weights[class_index];", "return 1.0;", PLAIN),
    ("loss_step", "probability * sum - class_share", "probability - class_share", PLAIN),
    ("loss_step", "entropy += y * log(y)", "entropy += log(y)", PLAIN),
    ("loss_step", "1.0 + row_output(r, b, o) - own", "1.0 - row_output(r, b, o) - own", PLAIN),
    ("loss_step", "-others);", "others);", PLAIN),
    ("loss_step", "2.0 * target_value(n, o) - 1.0", "target_value(n, o)", PLAIN),
    ("loss_step", "select(0.0, -1.0, d < 0.0)", "0.0", PLAIN),
    ("loss_step", "c * (d - 0.5 * c)", "c * (d - c)", PLAIN),
    ("loss_step", "above > params.huber_delta)", "above > 1.0)", PLAIN),
    // The last layer with its loss: a lane, a team, the last k, a row of four, the bias, another row's or replica's
    // outputs, the order of the targets, the edges of a block and of its metrics.
    ("dense_loss", "LANES / 2u; half > 0u", "LANES / 2u; half > 1u", SPLIT),
    ("dense_loss", "o0 += TEAMS", "o0 += TEAMS + 1u", SPLIT),
    ("dense_loss", "i < params.inputs; i += LANES", "i + 1u < params.inputs; i += LANES", SPLIT),
    ("dense_loss", "i < params.inputs; i++", "i + 1u < params.inputs; i++", DIRECT),
    ("dense_loss", "row_starts(r, first + 4u)", "row_starts(r, first + 3u)", SPLIT),
    ("dense_loss", "weight_value(r, columns.x, i),", "weight_value(r, columns.y, i),", DIRECT),
    ("dense_loss", "sums[0] += w * input", "sums[0] += 1.000244140625 * w * input", SPLIT),
    ("dense_loss", "sums += input_value", "sums += 1.000244140625 * input_value", DIRECT),
    ("dense_loss", "activate(sum + bias[r * params.outputs + o])", "activate(sum)", FUSED),
    ("dense_loss", "activate(sum + bias[r", "(sum + bias[r", FUSED),
    ("dense_loss", "weight[(r * params.outputs + o)", "weight[(o)", FUSED),
    ("dense_loss", "o * ROW_GROUP + b % ROW_GROUP", "o * ROW_GROUP + (b + 1u) % ROW_GROUP", FUSED),
    ("dense_loss", "order[r * params.order_stride + iteration.first + b]", "order[iteration.first + b]", FUSED),
    ("dense_loss", "index < ROW_GROUP && first + index < iteration.rows", "index < ROW_GROUP", SPLIT),
    ("dense_loss", "if b < iteration.rows", "if b <= iteration.rows", DIRECT),
    ("dense_loss", "params.blocks + block]", "params.blocks]", FUSED),
    ("dense_loss", "* params.slots + iteration.slot", "* params.slots", FUSED),
    ("dense_loss", "o == class_index)) * share", "o == class_index)) * weight", FUSED),
    ("dense_loss", "(sigmoid(z) - y) * share", "(sigmoid(z) - y) * scale", FUSED),
    ("dense_loss", "a * (slope - mixed)", "a * slope", FUSED),
    ("dense_loss", "slope * activation_derivative(a)", "slope", FUSED),
    // The ranking of scores: rows beyond the live ones, another replica's, a key of the wrong sign, ties on the wrong side,
    // a run's edge, the carry.
    ("score_keys", "if n >= iteration.rows", "if n > iteration.rows", PLAIN),
    ("score_keys", "thread.z * params.samples + n", "n", PLAIN),
    ("score_keys", "0x80000000u - size", "size", PLAIN),
    ("score_keys", "size > 0x7f800000u", "size >= 0x7f800000u", PLAIN),
    ("score_keys", "classes[n] == 0u", "classes[n] == 1u", PLAIN),
    ("merge_keys", "if n >= iteration.rows", "if n > iteration.rows", PLAIN),
    ("merge_keys", "thread.z * params.samples", "0u", PLAIN),
    ("merge_keys", "key, !on_left)", "key, false)", PLAIN),
    ("merge_keys", "min(middle + params.run, iteration.rows)", "min(middle + params.run, params.samples)", PLAIN),
    ("merge_keys", "low = middle + 1u", "low = middle + 2u", PLAIN),
    ("mann_whitney", "if n >= iteration.rows", "if n > iteration.rows", PLAIN),
    ("mann_whitney", "classes[n] == 1u", "classes[n] == 0u", PLAIN),
    ("mann_whitney", "end, key, false) +", "end, key, true) +", PLAIN),
    ("mann_whitney", "let base = r * params.samples", "let base = 0u", PLAIN),
    ("mann_whitney", "if low + pairs < low", "if false", PLAIN),
    ("mann_whitney", "if key == UNORDERED", "if false", PLAIN),
    ("prepare_input", "if b >= iteration.rows", "if b > iteration.rows", PLAIN),
    ("prepare_input", "(r * params.batch + b) * params.inputs + i", "b * params.inputs + i", PLAIN),
    ("prepare_input", "random_words(key, quad, iteration.number", "random_words(key, quad, 0u", PLAIN),
    ("prepare_input", "vec2(iteration.hypers[r].seed_low,", "vec2(iteration.hypers[0].seed_low,", PLAIN),
    ("prepare_input", "value + noise[j]", "value + noise[0]", PLAIN),
    ("prepare_input", "params.noise * vec4(", "vec4(", PLAIN),
    ("prepare_input", "lane < FIELD_BLOCKS", "lane + 1u < FIELD_BLOCKS", PLAIN),
    ("prepare_input", "pose.along * offset.x - pose.across", "pose.along * offset.x + pose.across", PLAIN),
    ("prepare_input", "k * (2.0 * s2 * c2)", "k * s2", PLAIN),
    ("prepare_input", "1.0 + params.zoom * symmetric(words.w)", "1.0", PLAIN),
    ("prepare_input", "x < 0 || y < 0 ||", "y < 0 ||", PLAIN),
    ("prepare_input", "x >= i32(params.width)", "x > i32(params.width)", PLAIN),
    ("prepare_input", "down.w * field[at + 3u * POINTS]", "down.w * field[at + 2u * POINTS]", PLAIN),
    ("prepare_input", "u * u * (3.0 * u - 6.0) + 4.0, v", "u * u * (3.0 * u - 6.0) + 3.9, v", PLAIN),
    ("prepare_input", "far.y * lower", "far.y * upper", PLAIN),
    // Metrics: a row too many, another's counts, a tie, the class of values, the score's sign, a block's place.
    ("class_counts", "if b >= iteration.rows", "if b > iteration.rows", PLAIN),
    ("class_counts", "(r * params.classes + own) * params.classes", "own * params.classes", PLAIN),
    ("class_counts", "other == score && o < own", "other == score && o <= own", PLAIN),
    ("class_counts", "outputs[start] > params.threshold", "outputs[start] > 0.0", PLAIN),
    ("class_counts", "select(best, o, target_value(n, o) > ", "select(best, o, target_value(n, o) >= ", PLAIN),
    ("class_counts", "outputs[start + 1u] - outputs[start]", "outputs[start + 1u]", PLAIN),
    ("difference_sums", "b < min(first + BLOCK_ROWS", "b + 1u < min(first + BLOCK_ROWS", PLAIN),
    ("difference_sums", "abs(d), d * d", "d, d * d", PLAIN),
    ("difference_sums", "iteration.first / params.batch * params.blocks + group.y", "group.y", PLAIN),
    ("softmax", "if b >= iteration.rows", "if b > iteration.rows", PLAIN),
    ("softmax", "(thread.z * params.batch + b)", "(b)", PLAIN),
    // Tails: another unit's or replica's numbers, rows behind a short batch, which words of a block, the factor, the
    // replica's own rate, what is added, and the epsilon.
    ("tail_forward", "(r * params.batch + rows) * params.outputs", "rows * params.outputs", PLAIN),
    ("tail_forward", "quad_rows(quad) < vec4(iteration.rows)", "quad_rows(quad) < vec4(params.batch)", PLAIN),
    ("tail_forward", "random_unit(words.y), random_unit(words.z)", "random_unit(words.z), random_unit(words.y)", PLAIN),
    ("tail_forward", "1.0 / (1.0 - rate)", "1.0", PLAIN),
    ("tail_forward", "hyper.dropout < 0.0);", "true);", PLAIN),
    ("tail_forward", "iteration.number, params.layer, P", "iteration.number, 0u, P", PLAIN),
    ("tail_forward", "params.added == 1u", "params.added > 1u", PLAIN),
    ("tail_forward", " + params.epsilon)", ")", PLAIN),
    ("tail_backward", "params.skips == 1u", "params.skips > 1u", PLAIN),
    ("tail_backward", "return g * quad_kept(r, quad, o);", "return g;", PLAIN),
    ("tail_backward", "params.passing == PASS_MORE", "params.passing == PASS_FIRST", PLAIN),
    ("tail_backward", "    pass_on(r, quad, o, g);", "", PLAIN),
    ("tail_backward", "activation_derivative(activate(z))", "activation_derivative(z)", PLAIN),
    // Norms: rows or units that do not count or count twice, a lane, the statistics, either term of a gradient.
    ("batch_norm_forward", "select(vec4(0.0), vec4(1.0), quad_live(quad))", "vec4(1.0)", PLAIN),
    ("batch_norm_forward", "quads(); quad += LANES) {\n        let distance", "quads(); quad += LANES + 1u) {\n        let distance", PLAIN),
    ("batch_norm_forward", "LANES / 2u; half > 0u", "LANES / 2u; half > 1u", PLAIN),
    ("batch_norm_forward", "squares / max(rows - 1.0, 1.0)", "squares / rows", PLAIN),
    ("batch_norm_forward", "params.momentum * mean", "params.momentum_complement * mean", PLAIN),
    ("batch_norm_forward", "dot(distance, distance)", "1.000244140625 * dot(distance, distance)", PLAIN),
    ("batch_norm_backward", "- means.x -", "-", PLAIN),
    ("batch_norm_backward", "x * means.y", "means.y", PLAIN),
    ("batch_norm_backward", "totals / f32(iteration.rows)", "totals / f32(params.batch)", PLAIN),
    ("batch_norm_backward", "scales_gradient[own] = totals.y", "scales_gradient[own] = totals.x", PLAIN),
    ("batch_norm_backward", "quad_slopes(x * scale + shift)", "quad_slopes(x * scale)", PLAIN),
    ("layer_norm_forward", "LANES / 2u; half > 0u", "LANES / 2u; half > 1u", PLAIN),
    ("layer_norm_forward", "sqrt(variance + params.epsilon)", "sqrt(variance * 1.000244140625 + params.epsilon)", PLAIN),
    ("layer_norm_forward", "own + params.batch] = deviation[lane]", "own + params.batch] = deviation[0]", PLAIN),
    ("layer_norm_backward", "- means[0] -", "-", PLAIN),
    ("layer_norm_backward", "x * means[1]", "means[1]", PLAIN),
    ("layer_norm_backward", "mat2x4<f32>(h, h * x)", "mat2x4<f32>(h, whole * x)", PLAIN),
    ("layer_norm_gradient", "quad_gradient(r, quad, o) * slopes, quad_live(quad)", "quad_gradient(r, quad, o) * slopes, vec4(true)", PLAIN),
    ("layer_norm_gradient", "quad_statistic(r, quad, 0u)", "quad_statistic(r, quad, 1u)", PLAIN),
    ("layer_norm_gradient", "dot(g, vec4(1.0)), dot(g, x)", "dot(g, x), dot(g, vec4(1.0))", PLAIN),
];

#[test]
fn broken_kernels_fail() {
    let gpu = test_gpu().unwrap();
    let several = suites(2, true, Precision::F32).unwrap().into_iter().filter(|suite| suite.plan.replicas > 1);
    let suites: Vec<_> = several.map(|suite| Answered::new(suite).unwrap()).collect();
    let mut wrong = Vec::new();
    for (n, (stem, from, to, variants)) in MUTATIONS.iter().enumerate() {
        let gpu = broken(&gpu, stem, from, to);
        let own = || suites.iter().filter(|answered| answered.suite.kernel == *stem);
        // What all have in common is tried in one of them, each in turn: software adapters compile slowly.
        let variants = if *variants == ALL { &ALL[n % ALL.len()..][..1] } else { *variants };
        for variant in variants {
            if !own().any(|answered| !answered.check(&gpu, variant).unwrap().passed()) {
                wrong.push(format!("{stem} {variant} passes with `{to}` for `{from}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn verification_names_the_broken_kernel() {
    let gpu = broken(&test_gpu().unwrap(), "softmax", "if b >= iteration.rows", "if b > iteration.rows");
    let options = VerifyOptions { seed: 2, filter: Some("softmax".to_owned()), quick: true, ..Default::default() };
    let mut failed = Vec::new();
    let summary = verify(&gpu, &options, &mut |row| {
        if !row.passed() {
            failed.push(row.kernel.clone());
        }
    });
    assert!(!summary.unwrap().passed());
    failed.dedup();
    assert_eq!(failed, ["softmax"]);
}
