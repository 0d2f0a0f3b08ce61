// One pass of a merge sort: of each two neighbouring runs of sorted keys one of twice their length. One invocation a key,
// which finds its place by the number of keys of the other run that come before it; of equal ones the left run's do.

struct Params {
    samples: u32, // N, that there is room for
    run: u32,     // keys of a run; the last may have fewer
}

@group(1) @binding(0) var<storage, read> keys: array<u32>;         // (R, N)
@group(1) @binding(1) var<storage, read_write> merged: array<u32>; // (R, N)
@group(1) @binding(2) var<uniform> params: Params;

const SAMPLE_GROUP: u32 = 256u; // keys a workgroup

@compute @workgroup_size(SAMPLE_GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let n = thread.x;
    if n >= iteration.rows {
        return;
    }
    let base = thread.z * params.samples;
    let start = n / (2u * params.run) * (2u * params.run);
    let middle = start + params.run;
    let end = min(middle + params.run, iteration.rows);
    let key = keys[base + n];
    let on_left = n < middle;
    let first = select(start, middle, on_left);
    let last = select(middle, end, on_left);
    let others = keys_below(base + first, base + last, key, !on_left);
    // Where it is in its own run, behind the run's start.
    let before = n - select(middle, start, on_left);
    merged[base + start + before + others] = key;
}

fn sorted_key(i: u32) -> u32 {
    return keys[i];
}
