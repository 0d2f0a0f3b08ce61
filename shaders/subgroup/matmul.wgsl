// Appended to a shader with `matmul.wgsl` where the device has subgroup operations: as `split`, but the lanes of a subgroup
// share each block of 4x4 outputs along k, and add their parts by `subgroupAdd`, without workgroup memory and barriers.
// The order of that addition is the driver's.

@compute @workgroup_size(THREADS)
fn subgroup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_id) own: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) lanes: u32,
) {
    let size = extents();
    let r = group.z;
    let quads = TILE / 4u;
    for (var block = own; block < quads * quads; block += subgroups) {
        let m = group.y * TILE + block / quads * 4u;
        let n = group.x * TILE + block % quads * 4u;
        if m >= size.x || n >= size.y {
            continue;
        }
        let left = left_lines(r, m, size);
        let right = right_lines(r, n, size);
        var c = mat4x4<f32>();
        // All lanes go round equally often, so that they are together again where they add.
        for (var first = 0u; first < size.z; first += lanes * 4u) {
            let k = first + lane * 4u;
            if k < size.z {
                c = accumulate(c, left_block(r, left, m, k, size), right_block(r, right, n, k, size));
            }
        }
        var sums = array(subgroupAdd(c[0]), subgroupAdd(c[1]), subgroupAdd(c[2]), subgroupAdd(c[3]));
        for (var output = lane; output < 16u; output += lanes) {
            let row = output / 4u;
            let column = output % 4u;
            if m + row < size.x && n + column < size.y {
                finish(r, m + row, n + column, sums[column][row]);
            }
        }
    }
}
