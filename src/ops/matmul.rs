use super::{ModuleConstants, Variant};

/// The ways to run a matrix product: straight from storage, or in tiles of 16x16 or 64x64 through workgroup memory.
/// They add in the same order; which is fastest depends on the adapter and the shape.
pub(crate) const MATMUL_VARIANTS: &[Variant] = &[
    Variant { name: "direct", entry: "direct", constants: &[] },
    Variant { name: "tile16", entry: "tiled", constants: &[("MICRO", 1.0), ("TILE", 16.0)] },
    Variant { name: "tile64", entry: "tiled", constants: &[("MICRO", 4.0), ("TILE", 64.0)] },
];

/// Workgroups along (columns, rows) of an (M, N) product.
pub(super) fn grid(rows: usize, columns: usize, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
    let edge = edge(variant, module);
    [columns.div_ceil(edge), rows.div_ceil(edge)]
}

/// Rows, and columns, of the product that one workgroup computes.
pub(crate) fn edge(variant: &Variant, module: &dyn ModuleConstants) -> usize {
    let edge = match variant.entry {
        "direct" => module.value("DIRECT_GROUP") * module.value("MICRO_MAX"),
        _ => module.value("TILE"),
    };
    edge as usize
}
