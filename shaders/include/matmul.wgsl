// C = A B for one replica, C of shape (M, N), summed over k = 0, 1, ..., K-1 in that order.
//
// A shader that includes this file says what A, B and C are:
//   fn extents() -> vec3<u32>                             (M, N, K)
//   fn left(r: u32, m: u32, k: u32) -> f32                A's element
//   fn right(r: u32, k: u32, n: u32) -> f32               B's element
//   fn finish(r: u32, m: u32, n: u32, sum: f32)           the epilogue
//   const LEFT_K_FAST, RIGHT_K_FAST: bool                 whether neighbours in k are neighbours in memory
//
// Two families: `direct` reads straight from storage, for adapters without fast workgroup memory (software ones);
// `tiled` goes through workgroup memory. Both compute MICRO x MICRO outputs a thread.

const GROUP: u32 = 16u;       // a workgroup of `tiled` is GROUP x GROUP threads
const DEPTH: u32 = 16u;       // how much of K is in workgroup memory at a time
const DIRECT_GROUP: u32 = 8u; // a workgroup of `direct` is DIRECT_GROUP x DIRECT_GROUP threads
const MICRO_MAX: u32 = 4u;

override MICRO: u32 = 4u;     // 1 to MICRO_MAX
override TILE: u32 = 64u;     // edge of the tile a `tiled` workgroup computes: GROUP * MICRO

var<workgroup> left_tile: array<f32, TILE * DEPTH>;  // (DEPTH, TILE)
var<workgroup> right_tile: array<f32, TILE * DEPTH>; // (DEPTH, TILE)

@compute @workgroup_size(DIRECT_GROUP, DIRECT_GROUP)
fn direct(@builtin(global_invocation_id) thread: vec3<u32>) {
    let size = extents();
    let r = thread.z;
    let n0 = thread.x * MICRO_MAX;
    let m0 = thread.y * MICRO_MAX;
    if m0 >= size.x || n0 >= size.y {
        return;
    }
    // Rows and columns beyond the edge repeat the last one, so that every read is in range; they are not stored.
    let m = min(vec4(m0, m0 + 1u, m0 + 2u, m0 + 3u), vec4(size.x - 1u));
    let n = min(vec4(n0, n0 + 1u, n0 + 2u, n0 + 3u), vec4(size.y - 1u));
    var sums: array<vec4<f32>, MICRO_MAX>;
    for (var k = 0u; k < size.z; k++) {
        let b = vec4(right(r, k, n.x), right(r, k, n.y), right(r, k, n.z), right(r, k, n.w));
        sums[0] += left(r, m.x, k) * b;
        sums[1] += left(r, m.y, k) * b;
        sums[2] += left(r, m.z, k) * b;
        sums[3] += left(r, m.w, k) * b;
    }
    for (var i = 0u; i < MICRO_MAX && m0 + i < size.x; i++) {
        for (var j = 0u; j < MICRO_MAX && n0 + j < size.y; j++) {
            finish(r, m0 + i, n0 + j, sums[i][j]);
        }
    }
}

@compute @workgroup_size(GROUP, GROUP)
fn tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let size = extents();
    let r = group.z;
    let n0 = group.x * TILE;
    let m0 = group.y * TILE;
    var sums: array<f32, MICRO_MAX * MICRO_MAX>;
    for (var k0 = 0u; k0 < size.z; k0 += DEPTH) {
        for (var e = index; e < TILE * DEPTH; e += GROUP * GROUP) {
            let at = tile_position(e, LEFT_K_FAST);
            var value = 0.0;
            if m0 + at.x < size.x && k0 + at.y < size.z {
                value = left(r, m0 + at.x, k0 + at.y);
            }
            left_tile[at.y * TILE + at.x] = value;
        }
        for (var e = index; e < TILE * DEPTH; e += GROUP * GROUP) {
            let at = tile_position(e, RIGHT_K_FAST);
            var value = 0.0;
            if n0 + at.x < size.y && k0 + at.y < size.z {
                value = right(r, k0 + at.y, n0 + at.x);
            }
            right_tile[at.y * TILE + at.x] = value;
        }
        workgroupBarrier();
        let depth = min(DEPTH, size.z - k0);
        for (var k = 0u; k < depth; k++) {
            for (var i = 0u; i < MICRO; i++) {
                let a = left_tile[k * TILE + i * GROUP + local.y];
                for (var j = 0u; j < MICRO; j++) {
                    sums[i * MICRO + j] += a * right_tile[k * TILE + j * GROUP + local.x];
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < MICRO; i++) {
        for (var j = 0u; j < MICRO; j++) {
            let m = m0 + i * GROUP + local.y;
            let n = n0 + j * GROUP + local.x;
            if m < size.x && n < size.y {
                finish(r, m, n, sums[i * MICRO + j]);
            }
        }
    }
}

// Element e of a (DEPTH, TILE) tile as (row or column in the tile, k in the tile), in the order that reads storage best.
fn tile_position(e: u32, k_fast: bool) -> vec2<u32> {
    if k_fast {
        return vec2(e / DEPTH, e % DEPTH);
    }
    return vec2(e % TILE, e / TILE);
}
