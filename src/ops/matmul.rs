use super::{Constant, ModuleConstants, SUBGROUP, Shader, SubgroupKernel, Variant};

/// The ways to run a matrix product (`shaders/include/matmul.wgsl`), the largest tiles last. Which is fastest depends
/// on the adapter and the shape; they add in different orders.
pub(crate) const MATMUL_VARIANTS: &[Variant] = &[
    Variant { name: "direct", entry: "direct", constants: &[] },
    Variant { name: "split8", entry: "split", constants: &[("TILE", 8.0), ("SLICES", 64.0)] },
    Variant { name: "split16", entry: "split", constants: &[("TILE", 16.0), ("SLICES", 16.0)] },
    Variant { name: "split32", entry: "split", constants: &[("TILE", 32.0), ("SLICES", 4.0)] },
    Variant { name: "tile64", entry: "tiled", constants: &[("TILE", 64.0)] },
    Variant { name: "tile128", entry: "tiled", constants: &[("TILE", 128.0)] },
];

/// [`MATMUL_VARIANTS`]' further one, with subgroup operations: 16×16 outputs a workgroup.
pub(super) static MATMUL_SUBGROUP: SubgroupKernel = SubgroupKernel {
    shader: Shader { stem: "subgroup/matmul", source: include_str!("../../shaders/subgroup/matmul.wgsl") },
    variant: Variant { name: SUBGROUP, entry: SUBGROUP, constants: &[("TILE", 16.0)] },
};

/// Whether two variants of one kernel add in the same order, so that they give the same bits where a device computes alike:
/// these two of a product's take one step along k after the other.
pub(crate) fn adds_alike(one: &Variant, other: &Variant) -> bool {
    const IN_ORDER: [&str; 2] = ["direct", "tiled"];
    one.name == other.name || [one, other].iter().all(|variant| IN_ORDER.contains(&variant.entry))
}

/// Numbers that one load brings along a line of an operand.
const RUN: usize = 4;

/// The constant that says how lines are read.
pub(crate) const ALIGNED: &str = "ALIGNED";

/// Whether lines of A, and of B, of so many numbers each can be read in whole runs.
pub(super) fn alignment(left: usize, right: usize) -> (&'static str, Constant) {
    let aligned = left.is_multiple_of(RUN) && right.is_multiple_of(RUN);
    (ALIGNED, Constant::Number(f64::from(u8::from(aligned))))
}

/// Workgroups along (columns, rows) of an (M, N) product.
pub(super) fn grid(rows: usize, columns: usize, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
    let [wide, high] = tile(variant, module);
    [columns.div_ceil(wide), rows.div_ceil(high)]
}

/// Columns and rows of the product that one workgroup computes.
pub(crate) fn tile(variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
    let names = match variant.entry {
        "direct" => ["DIRECT_COLUMNS", "DIRECT_ROWS"],
        _ => ["TILE", "TILE"],
    };
    names.map(|name| module.value(name) as usize)
}
