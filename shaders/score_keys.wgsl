// The keys by which scores are sorted: those of the samples of class 0; all others come behind them. One invocation a
// sample.

struct Params {
    samples: u32, // N, that there is room for
}

@group(1) @binding(0) var<storage, read> scores: array<u32>;     // (R, N), bits of f32
@group(1) @binding(1) var<storage, read> classes: array<u32>;    // (N), 0 or 1
@group(1) @binding(2) var<storage, read_write> keys: array<u32>; // (R, N)
@group(1) @binding(3) var<uniform> params: Params;

const SAMPLE_GROUP: u32 = 256u; // samples a workgroup

@compute @workgroup_size(SAMPLE_GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let n = thread.x;
    if n >= iteration.rows {
        return;
    }
    let own = thread.z * params.samples + n;
    keys[own] = select(NO_KEY, score_key(scores[own]), classes[n] == 0u);
}
