//! Every text of every shader, in what wgpu hands to Vulkan, Metal and DX12: it validates and translates.

use std::collections::BTreeSet;

use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};

use super::nested_switches::nested_switch;
use super::registry::{files, operations, parsed, specialized, stem};
use crate::gpu::reflect::Reflection;
use crate::gpu::{PROBES, specializations};
use crate::ops::{Compiler, Halves, Operation, Shader, shaders, with_subgroups};
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::verify::cases::suites;

/// SPIR-V, MSL and HLSL of an entry point without overrides, which has nothing that FXC is known to fail on.
fn translate(name: &str, entry: &str, module: &Module, info: &ModuleInfo) {
    assert_eq!(nested_switch(module, entry), None, "{name}: FXC fails on a switch in a case of another");
    let entry = (ShaderStage::Compute, entry.to_owned());
    let options = spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1.clone() };
    spv::write_vec(module, info, &spv::Options::default(), Some(&options)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let options = msl::PipelineOptions { entry_point: Some(entry.clone()), ..Default::default() };
    // Names a Metal version that has what WebGPU needs; the default is 1.0.
    let metal = msl::Options { lang_version: (2, 0), ..Default::default() };
    let (text, _) = msl::write_string(module, info, &metal, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(text.contains("kernel"), "{name}");
    let options = hlsl::PipelineOptions { entry_point: Some(entry) };
    // The first that has f16.
    let own = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
    let mut text = String::new();
    let translated = hlsl::Writer::new(&mut text, &own, &options).write(module, info, None);
    translated.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(text.contains("numthreads"), "{name}");
}

#[test]
fn subgroup_variants_translate_to_every_backend() {
    let mut known = BTreeSet::new();
    for (name, op) in operations() {
        let Some(kernel) = op.subgroup() else { continue };
        known.insert(kernel.shader.stem.replace("subgroup/", ""));
        let source = with_subgroups(op.shader().source, kernel.shader.source, Compiler::Naga);
        let module = naga::front::wgsl::parse_str(&source).unwrap();
        let capabilities = Capabilities::default() | Capabilities::SUBGROUP;
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
        validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
        let info = validator.validate(&module).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let reflection = Reflection::of(op.shader()).unwrap();
        let constants = crate::gpu::constants(&op, &kernel.variant, &reflection).unwrap();
        let constants = constants.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let entry = Some((ShaderStage::Compute, kernel.variant.entry));
        let (module, info) = process_overrides(&module, &info, entry, &constants).unwrap();
        translate(&name, kernel.variant.entry, &module, &info);
    }
    let all: BTreeSet<_> = files("shaders/subgroup", "wgsl").iter().map(|path| stem(path).to_owned()).collect();
    assert_eq!(known, all);
}

/// With all that has been said of the text with f32 true of those with f16: they differ in what a few names stand for.
#[test]
fn texts_with_f16_translate_to_every_backend() {
    let mut known = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for suite in suites(0, false, Precision::F16).unwrap() {
        for step in &suite.plan.program(ProgramId::Steps).steps {
            let (op, halves) = (&step.op, Halves::of(&step.op, &suite.plan.tensors));
            let name = format!("{} {:?} {halves:?}", step.operation(), op.constants());
            let stored = op.stored().expect("has a text that stores f16");
            let argument = op.arguments().into_iter().find(|(_, id)| *id == Some(stored)).unwrap().0;
            let binding = [format!(" {argument}: array<Stored>"), format!(" {argument}: array<vec4<Stored>>")];
            assert!(
                op.shader().stores_halves() && binding.iter().any(|own| op.shader().source.contains(own)),
                "{name}"
            );
            if !seen.insert(name.clone()) {
                continue;
            }
            known.insert((step.operation(), halves.read, halves.stored));
            let source = op.shader().text(halves, |part| part);
            let module =
                naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
            let half = Capabilities::SHADER_FLOAT16 | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
            let mut validator = Validator::new(ValidationFlags::all(), Capabilities::default() | half);
            let info = validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
            for (variant, constants) in specializations(op).unwrap() {
                let constants = constants.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let entry = Some((ShaderStage::Compute, variant.entry));
                let (module, info) = process_overrides(&module, &info, entry, &constants).unwrap();
                translate(&format!("{name} {}", variant.name), variant.entry, &module, &info);
            }
        }
    }
    for stem in ["dense_forward", "dense_loss", "dense_weight_gradient"] {
        assert!(known.contains(&(stem, true, true)) && known.contains(&(stem, false, true)), "{stem}");
    }
    assert!(known.contains(&("dense_forward", true, false)), "the last layer's");
    let stems: BTreeSet<_> = known.iter().map(|(stem, ..)| *stem).collect();
    let all: BTreeSet<_> = shaders().into_iter().filter(|own| own.stores_halves()).map(|own| own.stem).collect();
    assert_eq!(stems, all);
    let parts: BTreeSet<_> = Shader::half_parts().into_iter().map(|part| part.stem.replace("f16/", "")).collect();
    let files: BTreeSet<_> = files("shaders/f16", "wgsl").iter().map(|path| stem(path).to_owned()).collect();
    assert_eq!(parts, files);
}

#[test]
fn every_specialization_translates_to_every_backend() {
    specialized(|name, _, variant, module, info| translate(name, variant.entry, module, info));
}

/// No plan runs them, and their results are checked each time that they measure a device.
#[test]
fn the_kernels_that_measure_a_device_translate_too() {
    let mut known: Vec<_> = PROBES.iter().map(|shader| shader.stem).collect();
    known.sort_unstable();
    let mut all: Vec<_> = files("shaders/measure", "wgsl");
    all.sort_unstable();
    assert_eq!(known, all.iter().map(|path| stem(path)).collect::<Vec<_>>());
    let limits = wgpu::Limits::default();
    for shader in PROBES {
        let (module, info) = parsed(shader);
        translate(shader.stem, "main", &module, &info);
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x * y * z <= limits.max_compute_invocations_per_workgroup, "{}", shader.stem);
    }
}
