// Sums over a batch's rows, unit by unit: a workgroup has COLUMNS units, and LANES invocations share the rows of each.

const COLUMNS: u32 = 16u;
const LANES: u32 = 16u;

var<workgroup> column_parts: array<vec2<f32>, COLUMNS * LANES>; // (LANES, COLUMNS)

// The sums of a column's parts, one of each lane, in a fixed tree. Every invocation of the workgroup calls it.
fn column_sums(column: u32, lane: u32, mine: vec2<f32>) -> vec2<f32> {
    let index = lane * COLUMNS + column;
    column_parts[index] = mine;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            column_parts[index] += column_parts[index + half * COLUMNS];
        }
    }
    workgroupBarrier();
    let sums = column_parts[column];
    workgroupBarrier();
    return sums;
}
