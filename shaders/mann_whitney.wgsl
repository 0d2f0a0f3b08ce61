// The pairs of a sample of class 1 and one of class 0 in which the former scores higher count 2, those of equal scores 1:
// twice the statistic of Mann and Whitney, a sum of whole numbers, so that the order of the additions does not matter.
// One invocation a sample.

struct Params {
    samples: u32, // N, that there is room for
}

@group(1) @binding(0) var<storage, read> scores: array<u32>;               // (R, N), bits of f32
@group(1) @binding(1) var<storage, read> classes: array<u32>;              // (N), 0 or 1
@group(1) @binding(2) var<storage, read> keys: array<u32>;                 // (R, N), of class 0, sorted
@group(1) @binding(3) var<storage, read_write> counts: array<atomic<u32>>; // (R, 3): the sum's low and high word, and the
                                                                           // scores that are not numbers
@group(1) @binding(4) var<uniform> params: Params;

const SAMPLE_GROUP: u32 = 256u; // samples a workgroup

@compute @workgroup_size(SAMPLE_GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let n = thread.x;
    if n >= iteration.rows {
        return;
    }
    let r = thread.z;
    let base = r * params.samples;
    let key = score_key(scores[base + n]);
    if key == UNORDERED {
        atomicAdd(&counts[r * 3u + 2u], 1u);
    } else if classes[n] == 1u {
        let end = base + iteration.rows;
        let pairs = keys_below(base, end, key, false) + keys_below(base, end, key, true);
        // Whoever makes the low word begin again adds to the high one.
        let low = atomicAdd(&counts[r * 3u], pairs);
        if low + pairs < low {
            atomicAdd(&counts[r * 3u + 1u], 1u);
        }
    }
}

fn sorted_key(i: u32) -> u32 {
    return keys[i];
}
