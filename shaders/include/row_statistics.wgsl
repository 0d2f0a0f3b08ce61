// What a layer norm's forward step has found of each row, for its backward steps: `statistics` is (R, 2, B).

// Mean (which = 0) or deviation (which = 1) of a quad's rows.
fn quad_statistic(r: u32, quad: u32, which: u32) -> vec4<f32> {
    let at = (2u * r + which) * params.batch + min(quad_rows(quad), vec4(iteration.rows - 1u));
    return vec4(statistics[at.x], statistics[at.y], statistics[at.z], statistics[at.w]);
}
