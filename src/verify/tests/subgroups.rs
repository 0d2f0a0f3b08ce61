//! The kernels with subgroup operations, which run only where they are asked for.

use std::collections::BTreeSet;

use crate::gpu::{Gpu, GpuOptions, GpuRequest};
use crate::ops::{Compiler, Halves, Op, Operation, SUBGROUP, Shader, with_subgroups};
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::verify::cases::suites;
use crate::verify::kernels::Answered;
use crate::verify::test_gpu;

/// The tests' adapter with subgroup operations; without them it must refuse, and then there is nothing to test.
pub(super) fn subgroup_gpu() -> Option<Gpu> {
    let info = test_gpu().unwrap().info();
    let request = GpuRequest::Named(std::env::var("WGRAD_TEST_ADAPTER").unwrap_or_else(|_| "0".to_owned()));
    let opened = Gpu::request_blocking(&GpuOptions { request, default_limits: true, subgroups: true, f16: false });
    match opened {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("subgroup") && text.contains("do without"), "{}: {text}", info.adapter);
            None
        }
    }
}

fn answered() -> Vec<Answered> {
    let several = suites(4, true, Precision::F32).unwrap().into_iter().filter(|suite| suite.plan.replicas > 1);
    let families = several.filter(|suite| first_op(&suite.plan.program(ProgramId::Steps).steps[0].op).is_some());
    let mut seen = BTreeSet::new();
    families.filter(|suite| seen.insert(suite.kernel)).map(|suite| Answered::new(suite).unwrap()).collect()
}

fn first_op(op: &Op) -> Option<&'static str> {
    op.subgroup().map(|kernel| kernel.variant.name)
}

#[test]
fn subgroup_kernels_keep_to_the_bounds() {
    let Some(gpu) = subgroup_gpu() else { return };
    let all = answered();
    assert_eq!(all.len(), 4, "forward, loss, input gradient, weight gradient");
    for answered in all {
        assert!(answered.variants(&gpu).any(|variant| variant == SUBGROUP));
        let row = answered.check(&gpu, SUBGROUP).unwrap();
        assert!(row.passed() && row.cases > 0, "{row:?}");
    }
}

#[test]
fn others_never_see_them() {
    let gpu = test_gpu().unwrap();
    for answered in answered() {
        assert!(answered.variants(&gpu).all(|variant| variant != SUBGROUP));
    }
}

/// Browsers want `enable subgroups;` among the directives, which come before all else; naga refuses it.
#[test]
fn texts_for_browsers_begin_with_the_directive() {
    let mut seen = BTreeSet::new();
    for suite in [Precision::F32, Precision::F16].into_iter().flat_map(|own| suites(0, true, own).unwrap()) {
        for step in &suite.plan.program(ProgramId::Steps).steps {
            let (Some(kernel), halves) = (step.op.subgroup(), Halves::of(&step.op, &suite.plan.tensors)) else {
                continue;
            };
            if !seen.insert((step.operation(), halves.read, halves.stored)) {
                continue;
            }
            let text = step.op.shader().text(halves, |part| part);
            let written = |compiler| with_subgroups(&text, kernel.shader.source, compiler);
            let (browser, naga) = (written(Compiler::Browser), written(Compiler::Naga));
            let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
            let directives: Vec<_> =
                browser.lines().filter(code).take_while(|line| line.starts_with("enable ")).collect();
            let wanted: &[_] =
                if halves.stored { &["enable subgroups;", "enable f16;"] } else { &["enable subgroups;"] };
            assert_eq!(directives, wanted, "{} {halves:?}", step.operation());
            assert_eq!(browser.matches("enable ").count(), directives.len(), "{} {halves:?}", step.operation());
            assert_eq!(browser, format!("enable subgroups;\n{naga}"));
            naga::front::wgsl::parse_str(&naga).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&naga)));
            let refused = naga::front::wgsl::parse_str(&browser).unwrap_err().emit_to_string(&browser);
            assert!(refused.contains("`subgroups` enable-extension"), "naga takes the directive: {refused}");
        }
    }
    let stems: BTreeSet<_> = seen.iter().map(|(stem, ..)| *stem).collect();
    assert_eq!(stems.len(), 4, "forward, loss, input gradient, weight gradient");
    assert!(seen.iter().any(|(_, _, stored)| *stored), "with f16 too");
}

#[test]
fn browsers_compile_their_own_shaders() {
    let mut gpu = test_gpu().unwrap();
    assert_eq!(gpu.compiler(), Compiler::Naga);
    gpu.info.backend = wgpu::Backend::BrowserWebGpu;
    assert_eq!(gpu.compiler(), Compiler::Browser);
}

/// Kernel, what stands there, what a mistake would make of it.
const MUTATIONS: &[(&str, &str, &str)] = &[
    ("dense_forward", "subgroupAdd(c[1])", "c[1]"),
    ("dense_input_gradient", "let k = first + lane * 4u;", "let k = first + lane * 4u + 4u;"),
    ("dense_weight_gradient", "sums[column][row]", "sums[row][column]"),
    ("dense_forward", "output < 16u", "output < 15u"),
    ("dense_loss", "subgroupAdd(sums[1])", "subgroupAdd(sums[0])"),
    ("dense_loss", "let i = start + lane;", "let i = start + lane + 1u;"),
    ("dense_loss", "finish(r, row + 4u, o, lower_sum[row])", "finish(r, row + 4u, o, lower_sum[0])"),
];

#[test]
fn broken_subgroup_kernels_fail() {
    let Some(gpu) = subgroup_gpu() else { return };
    let all = answered();
    for (kernel, from, to) in MUTATIONS {
        let answered = all.iter().find(|answered| answered.suite.kernel == *kernel).unwrap();
        let own = &answered.suite.plan.program(ProgramId::Steps).steps[0].op.subgroup().unwrap().shader;
        assert_eq!(own.source.matches(from).count(), 1, "{kernel}: `{from}` must be there just once");
        let source = own.source.replace(from, to).leak();
        let replaced: Vec<&'static Shader> = vec![Box::leak(Box::new(Shader { stem: own.stem, source }))];
        let broken = Gpu { replaced, ..gpu.clone() };
        assert!(!answered.check(&broken, SUBGROUP).unwrap().passed(), "{kernel} passes with `{to}` for `{from}`");
    }
}
