// C = A B for one replica, C of shape (M, N), summed over K.
//
// An operand lies in storage in lines: runs of numbers whose neighbours are neighbours along k (K_FAST), or along m or
// n. A shader that includes this file says what A, B and C are:
//   fn extents() -> vec3<u32>                      (M, N, K)
//   const LEFT_K_FAST: bool                        whether A's lines run along k
//   fn left_line(r: u32, line: u32) -> u32         where line `line` of A starts: row m if LEFT_K_FAST, else column k
//   fn left_one(start: u32, at: u32) -> f32        number `at` of the line that starts there
//   fn left_four(start: u32, at: u32) -> vec4<f32> four numbers from `at` on; asked for if ALIGNED, `at` a multiple of 4
//   RIGHT_K_FAST, right_line, right_one, right_four  likewise: line `line` of B is column n, or row k
//   fn finish(r: u32, m: u32, n: u32, sum: f32)    the epilogue
//
// All families add blocks of 4x4x4 in registers (`accumulate`; `direct` also column by column), and each in an order
// that depends on the shape alone:
//   direct  4x8 outputs a thread, straight from storage: for software adapters, which have no fast workgroup memory
//   split   4x4 outputs a thread, and SLICES threads share each along k: for products too small to fill a GPU otherwise
//   tiled   TILE x TILE outputs a workgroup, through two buffers in workgroup memory: for large products

override ALIGNED: bool = false;       // the lines of both are a multiple of 4 numbers long
override TILE: u32 = 64u;             // edge of what a workgroup of `split` or `tiled` computes
override SLICES: u32 = 16u;           // of `split`: (SHARED * 4) / (TILE * TILE), so that the partial sums just fit

const DIRECT_COLUMNS: u32 = 32u;      // what a workgroup of `direct` computes: 4x2 threads of 4 rows and 8 columns
const DIRECT_ROWS: u32 = 8u;
const GROUP: u32 = 16u;               // a workgroup of `tiled` is GROUP x GROUP threads
const THREADS: u32 = 256u;            // threads of `split` and `tiled`
const SHARED: u32 = 1024u;            // vec4s of workgroup memory, all that default limits give
const BUFFER: u32 = 256u;             // vec4s of one operand's tile: one a thread

const QUAD: vec4<u32> = vec4(0u, 1u, 2u, 3u);

var<workgroup> shared_memory: array<vec4<f32>, SHARED>;

// c + a b. Columns of `a` are along k, of `b` and `c` along n.
fn accumulate(c: mat4x4<f32>, a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(a[3], b[0].wwww, fma(a[2], b[0].zzzz, fma(a[1], b[0].yyyy, fma(a[0], b[0].xxxx, c[0])))),
        fma(a[3], b[1].wwww, fma(a[2], b[1].zzzz, fma(a[1], b[1].yyyy, fma(a[0], b[1].xxxx, c[1])))),
        fma(a[3], b[2].wwww, fma(a[2], b[2].zzzz, fma(a[1], b[2].yyyy, fma(a[0], b[2].xxxx, c[2])))),
        fma(a[3], b[3].wwww, fma(a[2], b[3].zzzz, fma(a[1], b[3].yyyy, fma(a[0], b[3].xxxx, c[3])))),
    );
}

// c + a b for one column of A and one row of B.
fn accumulate_column(c: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(fma(a, b.xxxx, c[0]), fma(a, b.yyyy, c[1]), fma(a, b.zzzz, c[2]), fma(a, b.wwww, c[3]));
}

// Numbers `at` to `at + 3` of a line of A; 0 beyond its end.
fn left_run(start: u32, at: u32, extent: u32) -> vec4<f32> {
    if ALIGNED {
        return left_four(start, at);
    }
    // Loads from where there is something, and a choice afterwards: branches around loads cost more than the loads.
    let last = extent - 1u;
    let run = vec4(
        left_one(start, min(at, last)),
        left_one(start, min(at + 1u, last)),
        left_one(start, min(at + 2u, last)),
        left_one(start, min(at + 3u, last)),
    );
    return select(run, vec4(0.0), vec4(at) + QUAD >= vec4(extent));
}

fn right_run(start: u32, at: u32, extent: u32) -> vec4<f32> {
    if ALIGNED {
        return right_four(start, at);
    }
    // Loads from where there is something, and a choice afterwards: branches around loads cost more than the loads.
    let last = extent - 1u;
    let run = vec4(
        right_one(start, min(at, last)),
        right_one(start, min(at + 1u, last)),
        right_one(start, min(at + 2u, last)),
        right_one(start, min(at + 3u, last)),
    );
    return select(run, vec4(0.0), vec4(at) + QUAD >= vec4(extent));
}

// Where the lines of rows m to m + 3 of A start. Rows beyond the last repeat it: they are not stored.
fn left_lines(r: u32, m: u32, size: vec3<u32>) -> vec4<u32> {
    if !LEFT_K_FAST {
        return vec4(0u);
    }
    let last = size.x - 1u;
    return vec4(
        left_line(r, min(m, last)),
        left_line(r, min(m + 1u, last)),
        left_line(r, min(m + 2u, last)),
        left_line(r, min(m + 3u, last)),
    );
}

fn right_lines(r: u32, n: u32, size: vec3<u32>) -> vec4<u32> {
    if !RIGHT_K_FAST {
        return vec4(0u);
    }
    let last = size.y - 1u;
    return vec4(
        right_line(r, min(n, last)),
        right_line(r, min(n + 1u, last)),
        right_line(r, min(n + 2u, last)),
        right_line(r, min(n + 3u, last)),
    );
}

// Line k of an operand whose lines run along m or n, from `at` on; 0 beyond the last line.
fn left_row(r: u32, k: u32, at: u32, size: vec3<u32>) -> vec4<f32> {
    let run = left_run(left_line(r, min(k, size.z - 1u)), at, size.x);
    return select(run, vec4(0.0), k >= size.z);
}

fn right_row(r: u32, k: u32, at: u32, size: vec3<u32>) -> vec4<f32> {
    let run = right_run(right_line(r, min(k, size.z - 1u)), at, size.y);
    return select(run, vec4(0.0), k >= size.z);
}

// Rows m to m + 3 and columns k to k + 3 of A, as `accumulate` takes it; k < K.
fn left_block(r: u32, lines: vec4<u32>, m: u32, k: u32, size: vec3<u32>) -> mat4x4<f32> {
    if LEFT_K_FAST {
        return transpose(mat4x4<f32>(
            left_run(lines.x, k, size.z),
            left_run(lines.y, k, size.z),
            left_run(lines.z, k, size.z),
            left_run(lines.w, k, size.z),
        ));
    }
    return mat4x4<f32>(
        left_row(r, k, m, size),
        left_row(r, k + 1u, m, size),
        left_row(r, k + 2u, m, size),
        left_row(r, k + 3u, m, size),
    );
}

// Rows k to k + 3 and columns n to n + 3 of B, as `accumulate` takes it; k < K.
fn right_block(r: u32, lines: vec4<u32>, n: u32, k: u32, size: vec3<u32>) -> mat4x4<f32> {
    if RIGHT_K_FAST {
        return mat4x4<f32>(
            right_run(lines.x, k, size.z),
            right_run(lines.y, k, size.z),
            right_run(lines.z, k, size.z),
            right_run(lines.w, k, size.z),
        );
    }
    return transpose(mat4x4<f32>(
        right_row(r, k, n, size),
        right_row(r, k + 1u, n, size),
        right_row(r, k + 2u, n, size),
        right_row(r, k + 3u, n, size),
    ));
}

// Rows m to m + 3 of column k of A, and columns n to n + 3 of row k of B; k < K.
fn left_column(r: u32, lines: vec4<u32>, m: u32, k: u32, size: vec3<u32>) -> vec4<f32> {
    if LEFT_K_FAST {
        return vec4(left_one(lines.x, k), left_one(lines.y, k), left_one(lines.z, k), left_one(lines.w, k));
    }
    return left_run(left_line(r, k), m, size.x);
}

fn right_column(r: u32, lines: vec4<u32>, n: u32, k: u32, size: vec3<u32>) -> vec4<f32> {
    if RIGHT_K_FAST {
        return vec4(right_one(lines.x, k), right_one(lines.y, k), right_one(lines.z, k), right_one(lines.w, k));
    }
    return right_run(right_line(r, k), n, size.y);
}

// The epilogue of a block of C, whose rows and columns stand at `rows` and `columns`, in ascending order.
fn finish_block(r: u32, rows: vec4<u32>, columns: vec4<u32>, size: vec3<u32>, block: mat4x4<f32>) {
    var sums = block;
    var m = rows;
    var n = columns;
    for (var i = 0u; i < 4u && m[i] < size.x; i++) {
        for (var j = 0u; j < 4u && n[j] < size.y; j++) {
            finish(r, m[i], n[j], sums[j][i]);
        }
    }
}

@compute @workgroup_size(4, 2)
fn direct(@builtin(global_invocation_id) thread: vec3<u32>) {
    let size = extents();
    let r = thread.z;
    let m = thread.y * 4u;
    let n = thread.x * 8u;
    if m >= size.x || n >= size.y {
        return;
    }
    let left = left_lines(r, m, size);
    let right_0 = right_lines(r, n, size);
    let right_1 = right_lines(r, n + 4u, size);
    var c_0 = mat4x4<f32>();
    var c_1 = mat4x4<f32>();
    if ALIGNED && LEFT_K_FAST && RIGHT_K_FAST {
        for (var k = 0u; k < size.z; k += 4u) {
            let a = left_block(r, left, m, k, size);
            c_0 = accumulate(c_0, a, right_block(r, right_0, n, k, size));
            c_1 = accumulate(c_1, a, right_block(r, right_1, n + 4u, k, size));
        }
    } else {
        // As few loads in the code as there can be, since each takes software adapters 3 ms to compile: two steps along
        // k at a time where loads are vec4s, for speed, else one.
        for (var k = 0u; k < size.z; k++) {
            let a = left_column(r, left, m, k, size);
            c_0 = accumulate_column(c_0, a, right_column(r, right_0, n, k, size));
            c_1 = accumulate_column(c_1, a, right_column(r, right_1, n + 4u, k, size));
            if ALIGNED {
                k++;
                let next = min(k, size.z - 1u);
                let a_next = select(left_column(r, left, m, next, size), vec4(0.0), k >= size.z);
                c_0 = accumulate_column(c_0, a_next, right_column(r, right_0, n, next, size));
                c_1 = accumulate_column(c_1, a_next, right_column(r, right_1, n + 4u, next, size));
            }
        }
    }
    // One epilogue in a loop, not 32 in a row: software adapters compile slowly.
    var sums = array<mat4x4<f32>, 2>(c_0, c_1);
    for (var i = 0u; i < 4u && m + i < size.x; i++) {
        for (var j = 0u; j < 8u && n + j < size.y; j++) {
            finish(r, m + i, n + j, sums[j / 4u][j % 4u][i]);
        }
    }
}

@compute @workgroup_size(THREADS)
fn split(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let size = extents();
    let r = group.z;
    let quads = TILE / 4u;
    let slice = index / (quads * quads);
    let block = index % (quads * quads);
    let m = group.y * TILE + block / quads * 4u;
    let n = group.x * TILE + block % quads * 4u;
    // Slice s adds k = 4s, ..., 4s + 3, then those 4 SLICES further on: neighbours in a line go to neighbours in a wave.
    var c = mat4x4<f32>();
    if m < size.x && n < size.y {
        let left = left_lines(r, m, size);
        let right = right_lines(r, n, size);
        for (var k = slice * 4u; k < size.z; k += SLICES * 4u) {
            c = accumulate(c, left_block(r, left, m, k, size), right_block(r, right, n, k, size));
        }
    }
    shared_memory[index * 4u] = c[0];
    shared_memory[index * 4u + 1u] = c[1];
    shared_memory[index * 4u + 2u] = c[2];
    shared_memory[index * 4u + 3u] = c[3];
    workgroupBarrier();
    // Each thread adds the slices of some of the outputs, slice after slice.
    let rows = min(TILE, max(size.x, group.y * TILE) - group.y * TILE);
    for (var output = index; output < TILE * rows; output += THREADS) {
        let row = output / TILE;
        let column = output % TILE;
        let at = (row / 4u * quads + column / 4u) * 4u + column % 4u;
        var sum = 0.0;
        for (var s = 0u; s < SLICES; s++) {
            sum += shared_memory[s * (TILE * TILE / 4u) + at][row % 4u];
        }
        if group.x * TILE + column < size.y {
            finish(r, group.y * TILE + row, group.x * TILE + column, sum);
        }
    }
}

// How deep a tile is along k: BUFFER vec4s of TILE rows or columns.
fn depth() -> u32 {
    return BUFFER * 4u / TILE;
}

// What thread `index` brings of A's tile at k, and where in the tile it goes: (DEPTH / 4, TILE) runs along k, or
// (DEPTH, TILE / 4) runs along m.
fn left_part(r: u32, index: u32, m: u32, k: u32, size: vec3<u32>) -> vec4<f32> {
    if !LEFT_K_FAST {
        return left_row(r, k + index / (TILE / 4u), m + index % (TILE / 4u) * 4u, size);
    }
    let row = m + index / (depth() / 4u);
    let at = k + index % (depth() / 4u) * 4u;
    let run = left_run(left_line(r, min(row, size.x - 1u)), at, size.z);
    return select(run, vec4(0.0), at >= size.z);
}

fn right_part(r: u32, index: u32, n: u32, k: u32, size: vec3<u32>) -> vec4<f32> {
    if !RIGHT_K_FAST {
        return right_row(r, k + index / (TILE / 4u), n + index % (TILE / 4u) * 4u, size);
    }
    let column = n + index / (depth() / 4u);
    let at = k + index % (depth() / 4u) * 4u;
    let run = right_run(right_line(r, min(column, size.y - 1u)), at, size.z);
    return select(run, vec4(0.0), at >= size.z);
}

fn part_place(index: u32, k_fast: bool) -> u32 {
    return select(index, index % (depth() / 4u) * TILE + index / (depth() / 4u), k_fast);
}

// The rows (or columns) in the tile of a thread's quad: runs along k are read by neighbours in neighbouring rows, runs
// along m by neighbours in neighbouring quads, so that both are read without bank conflicts.
fn quad_rows(quad: u32, thread: u32, k_fast: bool) -> vec4<u32> {
    if k_fast {
        return (quad * 4u + QUAD) * GROUP + thread;
    }
    return (quad * GROUP + thread) * 4u + QUAD;
}

// Four vec4s of a tile: k to k + 3 of the rows in `quad_rows`, as runs along k or along the rows.
fn quad_block(tile: u32, k: u32, quad: u32, thread: u32, k_fast: bool) -> mat4x4<f32> {
    var at = tile + k * (TILE / 4u) + quad * GROUP + thread;
    var stride = TILE / 4u;
    if k_fast {
        at = tile + k / 4u * TILE + quad * 4u * GROUP + thread;
        stride = GROUP;
    }
    return mat4x4<f32>(
        shared_memory[at],
        shared_memory[at + stride],
        shared_memory[at + 2u * stride],
        shared_memory[at + 3u * stride],
    );
}

fn left_quad(buffer: u32, k: u32, quad: u32, thread: u32) -> mat4x4<f32> {
    let block = quad_block(buffer * 2u * BUFFER, k, quad, thread, LEFT_K_FAST);
    if LEFT_K_FAST {
        return transpose(block);
    }
    return block;
}

fn right_quad(buffer: u32, k: u32, quad: u32, thread: u32) -> mat4x4<f32> {
    let block = quad_block(buffer * 2u * BUFFER + BUFFER, k, quad, thread, RIGHT_K_FAST);
    if RIGHT_K_FAST {
        return block;
    }
    return transpose(block);
}

@compute @workgroup_size(GROUP, GROUP)
fn tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let size = extents();
    let r = group.z;
    let m = group.y * TILE;
    let n = group.x * TILE;
    let left_place = part_place(index, LEFT_K_FAST);
    let right_place = BUFFER + part_place(index, RIGHT_K_FAST);
    shared_memory[left_place] = left_part(r, index, m, 0u, size);
    shared_memory[right_place] = right_part(r, index, n, 0u, size);
    workgroupBarrier();
    var c_00 = mat4x4<f32>();
    var c_01 = mat4x4<f32>();
    var c_10 = mat4x4<f32>();
    var c_11 = mat4x4<f32>();
    var buffer = 0u;
    for (var k = 0u; k < size.z; k += depth()) {
        // The next tiles are on their way from storage while these are multiplied.
        let next_left = left_part(r, index, m, k + depth(), size);
        let next_right = right_part(r, index, n, k + depth(), size);
        for (var d = 0u; d < min(depth(), size.z - k); d += 4u) {
            let a_0 = left_quad(buffer, d, 0u, local.y);
            let b_0 = right_quad(buffer, d, 0u, local.x);
            c_00 = accumulate(c_00, a_0, b_0);
            if TILE == 128u {
                let a_1 = left_quad(buffer, d, 1u, local.y);
                let b_1 = right_quad(buffer, d, 1u, local.x);
                c_01 = accumulate(c_01, a_0, b_1);
                c_10 = accumulate(c_10, a_1, b_0);
                c_11 = accumulate(c_11, a_1, b_1);
            }
        }
        buffer = 1u - buffer;
        shared_memory[buffer * 2u * BUFFER + left_place] = next_left;
        shared_memory[buffer * 2u * BUFFER + right_place] = next_right;
        workgroupBarrier();
    }
    let rows_0 = m + quad_rows(0u, local.y, LEFT_K_FAST);
    let columns_0 = n + quad_rows(0u, local.x, RIGHT_K_FAST);
    finish_block(r, rows_0, columns_0, size, c_00);
    if TILE == 128u {
        let rows_1 = m + quad_rows(1u, local.y, LEFT_K_FAST);
        let columns_1 = n + quad_rows(1u, local.x, RIGHT_K_FAST);
        finish_block(r, rows_0, columns_1, size, c_01);
        finish_block(r, rows_1, columns_0, size, c_10);
        finish_block(r, rows_1, columns_1, size, c_11);
    }
}
