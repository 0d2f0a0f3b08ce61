// The sum of what SUM_GROUP invocations of a workgroup have, in a fixed tree.

const SUM_GROUP: u32 = 64u;

var<workgroup> group_parts: array<f32, SUM_GROUP>;

// Every invocation of the workgroup calls it, once, and gets the sum.
fn group_sum(local: u32, mine: f32) -> f32 {
    group_parts[local] = mine;
    for (var half = SUM_GROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            group_parts[local] += group_parts[local + half];
        }
    }
    workgroupBarrier();
    return group_parts[0];
}
