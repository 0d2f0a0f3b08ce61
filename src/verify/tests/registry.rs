//! Every shader of the registry: its files, and what it says of itself against what Rust says.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};

use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, TypeInner};

use crate::gpu::reflect::{Access, Reflection, Specialized};
use crate::gpu::{ITERATION_HEADER, specializations, usual};
use crate::ops::{
    ALIGNED, Activation, Constant, DenseLoss, Hyper, Loss, MATMUL_VARIANTS, ModuleConstants, Op, Operation, Shader,
    Variant, shaders,
};
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::spec::MAX_REPLICAS;
use crate::verify::cases::suites;

pub(super) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push(path);
            }
        }
    }
    found
}

/// Code without comments, as words.
fn words(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let code: String = text.lines().filter_map(|line| line.split("//").next()).flat_map(|line| [line, "\n"]).collect();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
}

/// An activation is its formula in WGSL, its file, and a word in the list: no other code names it, but where somebody
/// chooses one of the usual.
#[test]
fn an_activation_has_three_places() {
    const CHOSEN: [Activation; 5] =
        [Activation::Linear, Activation::Relu, Activation::Sigmoid, Activation::Tanh, Activation::Softmax];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = [files("src", "rs"), files("crates", "rs"), files("shaders", "wgsl")].concat();
    let code = code.iter().map(|path| (words(path), path.strip_prefix(root).unwrap()));
    // Tests choose whatever they like.
    let code: Vec<_> = code.filter(|(_, path)| !path.to_str().unwrap().contains("tests")).collect();
    for activation in Activation::ALL.iter().filter(|activation| !CHOSEN.contains(activation)) {
        let name = activation.name();
        let variants = [name.to_owned(), name.to_uppercase(), format!("{activation:?}")];
        let named = code.iter().filter(|(words, _)| variants.iter().any(|own| words.contains(own)));
        let own = format!("src/ops/activation/{name}.rs");
        // Its siblings may have an operator of its name elsewhere.
        let sibling =
            |path: &&str| path.starts_with("src/ops/activation/") && !path.ends_with("mod.rs") && *path != own;
        let named: BTreeSet<_> = named.map(|(_, path)| path.to_str().unwrap()).filter(|path| !sibling(path)).collect();
        let wanted = BTreeSet::from(["shaders/include/activation.wgsl", "src/ops/activation/mod.rs", own.as_str()]);
        assert_eq!(named, wanted, "{name}");
    }
}

pub(super) fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

pub(super) fn parsed(shader: &Shader) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(shader.source)
        .unwrap_or_else(|error| panic!("{}: {}", shader.stem, error.emit_to_string(shader.source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::default())
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}: {}", shader.stem, error.emit_to_string(shader.source)));
    (module, info)
}

/// One operation for each combination of constants that verification's cases have.
pub(super) fn operations() -> BTreeMap<String, Op> {
    let suites = suites(0, false, Precision::F32).unwrap().into_iter();
    let ops = suites.flat_map(|suite| suite.plan.program(ProgramId::Steps).steps.clone()).map(|step| step.op);
    ops.map(|op| (format!("{} {:?}", op.shader().stem, op.constants()), op)).collect()
}

/// Every specialization of every kernel: what cases and variants ask for.
pub(super) fn specialized(mut check: impl FnMut(&str, &Op, &'static Variant, &Module, &ModuleInfo)) {
    for (name, op) in operations() {
        let (module, info) = parsed(op.shader());
        for (variant, constants) in specializations(&op).unwrap() {
            for (name, _) in &constants {
                let mut overrides = module.overrides.iter();
                assert!(overrides.any(|(_, own)| own.name.as_deref() == Some(*name)), "{name} is no override");
            }
            let constants = constants.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let entry = Some((ShaderStage::Compute, variant.entry));
            let (module, info) = process_overrides(&module, &info, entry, &constants).unwrap();
            check(&format!("{name} {}", variant.name), &op, variant, &module, &info);
        }
    }
}

#[test]
fn each_shader_has_its_rust_file_and_each_is_in_the_registry() {
    let mut registered: Vec<_> = shaders().iter().map(|shader| shader.stem).collect();
    registered.sort_unstable();
    let all = files("shaders", "wgsl");
    let families = all.iter().filter(|path| path.parent().unwrap().ends_with("shaders"));
    let mut in_wgsl: Vec<_> = families.map(|path| stem(path)).collect();
    in_wgsl.sort_unstable();
    assert_eq!(registered, in_wgsl);
    let sources = files("src/ops", "rs");
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap().replace(char::is_whitespace, "");
    let with_shader = |path: &&PathBuf| text(path).contains("shader!(\"");
    let mut in_rust: Vec<_> = sources.iter().filter(with_shader).map(|path| stem(path)).collect();
    in_rust.sort_unstable();
    assert_eq!(registered, in_rust);
    for path in sources.iter().filter(with_shader) {
        let wanted = format!("shader!(\"{}\"", stem(path));
        assert!(text(path).contains(&wanted), "{} has the shader of another stem", path.display());
    }
}

#[test]
fn every_kernel_family_is_among_the_cases() {
    for shader in shaders() {
        assert!(operations().values().any(|op| op.shader() == shader), "{}", shader.stem);
    }
}

#[test]
fn bindings_and_params_have_the_operations_names() {
    for (name, op) in operations() {
        let reflection = Reflection::of(op.shader()).unwrap();
        let bindings = reflection.bindings.iter().filter(|binding| !matches!(binding.access, Access::Uniform(_)));
        let bindings: Vec<_> = bindings.map(|binding| binding.name.as_str()).collect();
        let arguments: Vec<_> = op.arguments().into_iter().map(|(name, _)| name).collect();
        assert_eq!(bindings, arguments, "{name}");
        let fields: Vec<_> = reflection.params.iter().map(|field| field.name.as_str()).collect();
        let params: Vec<_> = op.params().into_iter().map(|(name, _)| name).collect();
        assert_eq!(fields, params, "{name}");
    }
}

/// However large a grid is: an invocation for each row or block, straight from storage, is for adapters without a GPU.
#[test]
fn direct_variants_are_for_software_adapters_alone() {
    for (name, op) in operations() {
        let reflection = Reflection::of(op.shader()).unwrap();
        let own = |replicas, software| usual(&op, &reflection, replicas, software).name;
        let has_direct = op.variants().iter().any(|variant| variant.name == "direct");
        assert_eq!(own(1, true) == "direct", has_direct, "{name}");
        assert!([1, 1024].iter().all(|replicas| own(*replicas, false) != "direct"), "{name}");
    }
}

/// Every WGSL constant that a grid asks for is there.
#[test]
fn grids_ask_for_constants_that_exist() {
    struct Strict<'a>(&'a Reflection, &'a [(&'static str, f64)]);
    impl ModuleConstants for Strict<'_> {
        fn value(&self, name: &str) -> u32 {
            let own = self.1.iter().find(|(own, _)| *own == name).map(|(_, value)| *value as u32);
            own.or_else(|| self.0.constant(name)).unwrap_or_else(|| panic!("no constant {name}"))
        }
    }
    for op in operations().values() {
        let reflection = Reflection::of(op.shader()).unwrap();
        for (variant, constants) in specializations(op).unwrap() {
            let [x, y] = op.grid(variant, &Strict(&reflection, &constants));
            assert!(x > 0 && y > 0);
        }
    }
}

/// Invariant 7: no shader asks for more than WebGPU's default limits.
#[test]
fn every_specialization_keeps_to_the_default_limits() {
    let limits = wgpu::Limits::default();
    specialized(|name, _, variant, module, _| {
        let variables = |wanted: fn(AddressSpace) -> bool| {
            let own = module.global_variables.iter().filter(move |(_, variable)| wanted(variable.space));
            own.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
        };
        let storage = variables(|space| matches!(space, AddressSpace::Storage { .. })).count();
        assert!(storage <= limits.max_storage_buffers_per_shader_stage as usize, "{name}: {storage} storage buffers");
        let memory: u32 = variables(|space| space == AddressSpace::WorkGroup).sum();
        assert!(memory > 0 || !["split", "tiled"].contains(&variant.entry), "{name}: the tiles' size is not known");
        assert!(memory <= limits.max_compute_workgroup_storage_size, "{name}: {memory} bytes of workgroup memory");
        let entry = module.entry_points.iter().find(|entry| entry.name == variant.entry).unwrap();
        let [x, y, z] = entry.workgroup_size;
        assert!(x * y * z <= limits.max_compute_invocations_per_workgroup, "{name}: {} invocations", x * y * z);
        assert!(x <= limits.max_compute_workgroup_size_x && y <= limits.max_compute_workgroup_size_y);
        let uniforms = variables(|space| space == AddressSpace::Uniform).max().unwrap_or(0);
        assert!(u64::from(uniforms) <= limits.max_uniform_buffer_binding_size, "{name}: {uniforms} bytes of uniform");
    });
}

/// A struct's size, and its fields with their offsets.
fn layout(module: &Module, name: &str) -> (usize, Vec<(String, usize)>) {
    let (_, ty) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap();
    let TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    let field = |member: &naga::StructMember| (member.name.clone().unwrap(), member.offset as usize);
    (*span as usize, members.iter().map(field).collect())
}

#[test]
fn the_uniforms_have_the_layout_that_rust_writes() {
    for shader in shaders() {
        let (module, _) = parsed(shader);
        let (size, fields) = layout(&module, "Hyper");
        let wanted = [
            ("learning_rate", offset_of!(Hyper, learning_rate)),
            ("decay", offset_of!(Hyper, decay)),
            ("l1", offset_of!(Hyper, l1)),
            ("dropout", offset_of!(Hyper, dropout)),
            ("momentum", offset_of!(Hyper, momentum)),
            ("momentum_complement", offset_of!(Hyper, momentum_complement)),
            ("correction_x", offset_of!(Hyper, correction_x)),
            ("correction_y", offset_of!(Hyper, correction_y)),
            ("correction_z", offset_of!(Hyper, correction_z)),
            ("loss_scale", offset_of!(Hyper, loss_scale)),
            ("seed_low", offset_of!(Hyper, seed_low)),
            ("seed_high", offset_of!(Hyper, seed_high)),
        ];
        assert_eq!(fields, wanted.map(|(name, at)| (name.to_owned(), at)), "{}", shader.stem);
        assert_eq!(size, size_of::<Hyper>());
        let (size, fields) = layout(&module, "Iteration");
        let wanted = [("rows", 0), ("first", 4), ("slot", 8), ("number", 12), ("hypers", ITERATION_HEADER as usize)];
        assert_eq!(fields, wanted.map(|(name, at)| (name.to_owned(), at)), "{}", shader.stem);
        assert_eq!(size, ITERATION_HEADER as usize + MAX_REPLICAS * size_of::<Hyper>());
        let reflection = Reflection::of(shader).unwrap();
        assert_eq!(reflection.constant("MAX_REPLICAS"), Some(MAX_REPLICAS as u32));
    }
}

/// The numbers that belong together in the variants of matrix products.
#[test]
fn tiles_and_slices_fill_the_workgroup() {
    for stem in ["dense_forward", "dense_input_gradient", "dense_weight_gradient"] {
        let shader = shaders().into_iter().find(|shader| shader.stem == stem).unwrap();
        let reflection = Reflection::of(shader).unwrap();
        let constant = |name: &str| reflection.constant(name).unwrap();
        assert_eq!(constant("BUFFER"), constant("THREADS"), "each thread brings one vec4");
        assert_eq!(constant("SHARED"), 4 * constant("BUFFER"), "two tiles, twice");
        assert_eq!(constant("GROUP").pow(2), constant("THREADS"));
        for variant in MATMUL_VARIANTS {
            let value = |name: &str| Specialized { reflection: &reflection, overrides: variant.constants }.value(name);
            match variant.entry {
                "split" => assert_eq!(value("SLICES") * value("TILE").pow(2), 4 * constant("SHARED"), "{variant:?}"),
                "tiled" => assert!([4, 8].contains(&(value("TILE") / constant("GROUP"))), "{variant:?}"),
                _ => assert_eq!(constant("DIRECT_COLUMNS") * constant("DIRECT_ROWS"), 4 * 2 * 4 * 8),
            }
        }
    }
}

/// Whole runs of four numbers, and single ones.
#[test]
fn cases_have_operands_of_both_alignments() {
    for stem in ["dense_forward", "dense_input_gradient", "dense_weight_gradient"] {
        for aligned in [0.0, 1.0] {
            let constant = (ALIGNED, Constant::Number(aligned));
            let own = |op: &&Op| op.shader().stem == stem && op.constants().contains(&constant);
            assert!(operations().values().any(|op| own(&op)), "{stem} {aligned}");
        }
    }
}

#[test]
fn losses_sum_as_many_rows_as_rust_makes_room_for() {
    for (name, op) in operations() {
        let rows = match &op {
            Op::LossStep(step) => &step.rows,
            Op::DenseLoss(step) => &step.rows,
            _ => continue,
        };
        let reflection = Reflection::of(op.shader()).unwrap();
        assert_eq!(reflection.constant("ROW_GROUP"), Some(rows.metrics.block_rows as u32), "{name}");
        assert_eq!(reflection.constant("MOST_OUTPUTS").is_some(), op.shader().stem == "dense_loss", "{name}");
        let most = reflection.constant("MOST_OUTPUTS").unwrap_or(DenseLoss::MOST_OUTPUTS as u32);
        assert_eq!(most, DenseLoss::MOST_OUTPUTS as u32, "{name}");
    }
}

/// Every loss has a formula of its own in WGSL, under its name in capitals.
#[test]
fn every_loss_has_a_number_in_wgsl() {
    for stem in ["loss_step", "dense_loss"] {
        let shader = shaders().into_iter().find(|shader| shader.stem == stem).unwrap();
        let reflection = Reflection::of(shader).unwrap();
        let mut numbers: Vec<_> =
            Loss::ALL.iter().map(|loss| reflection.constant(&loss.name().to_uppercase()).unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Loss::ALL.len(), "{stem}");
        for loss in Loss::ALL {
            let own = shader.source.matches(&format!("fn {}(", loss.name())).count();
            assert_eq!(own, 1, "{stem}: {loss}");
        }
    }
}
