// Measures how fast a device multiplies and adds: each invocation runs CHAINS chains of x = multiplier x + addend that do
// not depend on each other, so that latency is hidden. The host sets both numbers to 1, which no compiler knows: each
// chain then counts its multiply-adds, exactly, whether a device fuses them or not.

struct Params {
    multiplier: f32,
    addend: f32,
    rounds: u32, // of UNROLLED multiply-adds a chain
}

@group(1) @binding(0) var<storage, read_write> sums: array<f32>; // one an invocation
@group(1) @binding(1) var<uniform> params: Params;

const GROUP: u32 = 64u;
const CHAINS: u32 = 8u;   // in two vectors of four
const UNROLLED: u32 = 8u; // multiply-adds of each chain in the loop's body

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let m = vec4(params.multiplier);
    let c = vec4(params.addend);
    var x = vec4(0.0, 1.0, 2.0, 3.0) + f32(thread.x % GROUP);
    var y = x + 4.0;
    for (var round = 0u; round < params.rounds; round++) {
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
        x = fma(x, m, c); y = fma(y, m, c);
    }
    sums[thread.x] = dot(x + y, vec4(1.0));
}
