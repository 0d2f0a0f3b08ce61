// prepared = the batch's samples, gathered and scaled, moved and bent if they are images, with noise on them; shapes
// (R, B, I). A workgroup has a row. What is drawn, and how, `src/ops/prepare_input.rs` says.

struct Params {
    batch: u32,        // B
    inputs: u32,       // I
    order_stride: u32, // N, or 0 when all replicas share one order
    scale: f32,        // samples are multiplied by it
    noise: f32,        // standard deviation
    width: u32,        // of the image; 0 leaves samples where they are
    height: u32,
    shift: f32,        // pixels, at most
    turn: f32,         // a quarter of the largest angle, in radians
    zoom: f32,         // how much larger or smaller at most
    elastic: f32,      // pixels that a point of the grid moves at most
}

@group(1) @binding(2) var<storage, read_write> prepared: array<f32>; // (R, B, I)
@group(1) @binding(3) var<uniform> params: Params;

const GROUP: u32 = 64u;
const CELLS: u32 = 4u;   // of the grid, along each side of the image
const POINTS: u32 = 7u;  // of the grid along a side, which reach one cell beyond it and more
const FIELD_BLOCKS: u32 = 25u; // of words, each for two points

// What the row's image is subject to: source = centre + matrix (target - centre) + shift.
struct Pose {
    along: f32,  // the matrix is (along, -across; across, along)
    across: f32,
    shift: vec2<f32>,
}

var<workgroup> field: array<vec2<f32>, 2u * FIELD_BLOCKS>; // how far each point of the grid moves, of at most 1

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = group.z;
    let b = group.x;
    if b >= iteration.rows {
        return;
    }
    let key = vec2(iteration.hypers[r].seed_low, iteration.hypers[r].seed_high);
    if lane < FIELD_BLOCKS {
        let words = random_words(key, 1u + lane, iteration.number, b, PURPOSE_AUGMENT);
        field[2u * lane] = vec2(symmetric(words.x), symmetric(words.y));
        field[2u * lane + 1u] = vec2(symmetric(words.z), symmetric(words.w));
    }
    workgroupBarrier();
    let pose = drawn_pose(random_words(key, 0u, iteration.number, b, PURPOSE_AUGMENT));
    let start = input_row(r, b, params.batch, params.order_stride) * params.inputs;
    for (var quad = lane; 4u * quad < params.inputs; quad += GROUP) {
        var noise = vec4(0.0);
        if params.noise > 0.0 {
            let words = random_words(key, quad, iteration.number, b, PURPOSE_NOISE);
            noise = params.noise * vec4(
                random_normal(words.x),
                random_normal(words.y),
                random_normal(words.z),
                random_normal(words.w),
            );
        }
        for (var j = 0u; j < 4u && 4u * quad + j < params.inputs; j++) {
            let i = 4u * quad + j;
            var value = 0.0;
            if params.width == 0u {
                value = input_value(start + i, params.scale);
            } else {
                value = moved(pose, start, i);
            }
            prepared[(r * params.batch + b) * params.inputs + i] = value + noise[j];
        }
    }
}

// Uniform in [-1, 1), exactly.
fn symmetric(word: u32) -> f32 {
    return 2.0 * random_unit(word) - 1.0;
}

fn drawn_pose(words: vec4<u32>) -> Pose {
    // Sine and cosine of a quarter of the angle by their series, then of twice that, twice: WGSL's own may be 2^-11 off.
    let u = params.turn * symmetric(words.z);
    let q = u * u;
    let s = u * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
    let c = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0)));
    let s2 = 2.0 * s * c;
    let c2 = 1.0 - 2.0 * s * s;
    let k = 1.0 + params.zoom * symmetric(words.w);
    let shift = params.shift * vec2(symmetric(words.x), symmetric(words.y));
    return Pose(k * (1.0 - 2.0 * s2 * s2), k * (2.0 * s2 * c2), shift);
}

// Pixel i of the moved and bent image.
fn moved(pose: Pose, start: u32, i: u32) -> f32 {
    let x = i % params.width;
    let y = i / params.width;
    let centre = 0.5 * vec2(f32(params.width - 1u), f32(params.height - 1u));
    let offset = vec2(f32(x), f32(y)) - centre;
    var source = centre + vec2(pose.along * offset.x - pose.across * offset.y, pose.across * offset.x + pose.along * offset.y);
    source += pose.shift + params.elastic * displacement(x, y);
    return bilinear(start, source);
}

// The cubic B-spline over the grid of points, of the columns first.
fn displacement(x: u32, y: u32) -> vec2<f32> {
    let column = CELLS * x / params.width;
    let row = CELLS * y / params.height;
    let across = spline(f32(CELLS * x % params.width) / f32(params.width));
    let down = spline(f32(CELLS * y % params.height) / f32(params.height));
    var sum = vec2(0.0);
    for (var j = 0u; j < 4u; j++) {
        let at = row * POINTS + column + j;
        var along = down.x * field[at];
        along += down.y * field[at + POINTS];
        along += down.z * field[at + 2u * POINTS];
        along += down.w * field[at + 3u * POINTS];
        sum += across[j] * along;
    }
    return sum;
}

// The four uniform cubic B-splines that are not zero at u in [0, 1).
fn spline(u: f32) -> vec4<f32> {
    let v = 1.0 - u;
    return vec4(v * v * v, u * u * (3.0 * u - 6.0) + 4.0, v * v * (3.0 * v - 6.0) + 4.0, u * u * u) * 0.16666667;
}

// The image between its pixels; beyond its edges it is zero.
fn bilinear(start: u32, source: vec2<f32>) -> f32 {
    let at = clamp(source, vec2(-2.0), vec2(f32(params.width) + 1.0, f32(params.height) + 1.0));
    let base = floor(at);
    let near = 1.0 - abs(at - base);
    let far = 1.0 - abs(at - (base + 1.0));
    let x = i32(base.x);
    let y = i32(base.y);
    let upper = near.x * pixel(start, x, y) + far.x * pixel(start, x + 1, y);
    let lower = near.x * pixel(start, x, y + 1) + far.x * pixel(start, x + 1, y + 1);
    return near.y * upper + far.y * lower;
}

fn pixel(start: u32, x: i32, y: i32) -> f32 {
    if x < 0 || y < 0 || x >= i32(params.width) || y >= i32(params.height) {
        return 0.0;
    }
    return input_value(start + u32(y) * params.width + u32(x), params.scale);
}
