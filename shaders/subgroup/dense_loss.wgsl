// Appended to `dense_loss.wgsl` where the device has subgroup operations: as `split`, but the lanes of a subgroup share the
// sums of an output, and add their parts by `subgroupAdd`. The order of that addition is the driver's.

@compute @workgroup_size(LANES * TEAMS)
fn subgroup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) own: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) lanes: u32,
) {
    let r = group.z;
    let first = group.x * ROW_GROUP;
    if first >= iteration.rows {
        return;
    }
    let upper = row_starts(r, first);
    let lower = row_starts(r, first + 4u);
    for (var o = own; o < params.outputs; o += subgroups) {
        var sums = array(vec4(0.0), vec4(0.0));
        // All lanes go round equally often, so that they are together again where they add.
        for (var start = 0u; start < params.inputs; start += lanes) {
            let i = start + lane;
            if i < params.inputs {
                let w = weight_value(r, o, i);
                sums[0] += w * input_values(upper, i);
                sums[1] += w * input_values(lower, i);
            }
        }
        let upper_sum = subgroupAdd(sums[0]);
        let lower_sum = subgroupAdd(sums[1]);
        if lane == 0u {
            for (var row = 0u; row < 4u; row++) {
                finish(r, row, o, upper_sum[row]);
                finish(r, row + 4u, o, lower_sum[row]);
            }
        }
    }
    workgroupBarrier();
    var mine = vec2(0.0);
    if index < ROW_GROUP && first + index < iteration.rows {
        mine = row_loss(r, first + index);
    }
    store_block_metrics(r, group.x, index, mine);
}
