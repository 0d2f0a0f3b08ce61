// Sums over the units of a row: a workgroup has a quad of rows, and LANES invocations share the units of each.

const LANES: u32 = 64u;

var<workgroup> row_parts: array<mat2x4<f32>, LANES>;

// The sums of a quad's parts, one of each lane, in a fixed tree. Every invocation of the workgroup calls it.
fn row_sums(lane: u32, mine: mat2x4<f32>) -> mat2x4<f32> {
    row_parts[lane] = mine;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            row_parts[lane] += row_parts[lane + half];
        }
    }
    workgroupBarrier();
    let sums = row_parts[0];
    workgroupBarrier();
    return sums;
}
