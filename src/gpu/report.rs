//! What an adapter offers, and which one a request gets.

use serde::Serialize;

use super::adapters::{GpuRequest, driver};
use crate::error::{Error, Result};
use crate::hint::Hint;

/// One adapter, for reports.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterReport {
    /// Its number in the list, by which it can be asked for.
    pub index: usize,
    /// The adapter's name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Whether it meets `wgpu::Limits::default()`; if not, which limit it misses.
    pub below_default_limits: Option<String>,
    /// Bytes of its largest storage binding.
    pub max_storage_binding: u64,
    /// Bytes of its largest buffer.
    pub max_buffer: u64,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
    /// Invocations a workgroup.
    pub max_invocations: u32,
    /// Whether it has subgroup operations, for [`GpuOptions::subgroups`](super::GpuOptions::subgroups).
    pub subgroups: bool,
    /// Whether it has `SHADER_F16`, for [`GpuOptions::f16`](super::GpuOptions::f16).
    pub f16: bool,
    /// Whether `auto` may take it: a real GPU that meets the limits.
    pub eligible: bool,
}

/// The adapter that `auto` takes: the first discrete, else integrated, else virtual or other GPU; never a software
/// rasterizer, which the CPU executor outruns.
pub fn automatic(reports: &[AdapterReport]) -> Option<&AdapterReport> {
    let rank = |kind| match kind {
        "discrete" => 0,
        "integrated" => 1,
        _ => 2,
    };
    reports.iter().filter(|report| report.eligible).min_by_key(|report| (rank(report.kind), report.index))
}

pub(super) fn report(index: usize, adapter: &wgpu::Adapter) -> AdapterReport {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let below_default_limits = below_default(&limits);
    AdapterReport {
        index,
        kind,
        eligible: kind != "software" && below_default_limits.is_none(),
        backend: info.backend.to_string(),
        driver: driver(&info),
        name: info.name,
        below_default_limits,
        subgroups: adapter.features().contains(wgpu::Features::SUBGROUP),
        f16: adapter.features().contains(wgpu::Features::SHADER_F16),
        max_storage_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        max_workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
    }
}

fn below_default(limits: &wgpu::Limits) -> Option<String> {
    let mut missing = Vec::new();
    wgpu::Limits::default().check_limits_with_fail_fn(limits, false, |name, wanted, had| {
        missing.push(format!("{name} is {had}, wanted {wanted}"));
    });
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// The first adapter whose name contains `text`, which is in small letters.
fn named<'a>(reports: &'a [AdapterReport], text: &str) -> Option<&'a AdapterReport> {
    reports.iter().find(|report| report.name.to_lowercase().contains(text))
}

pub(super) fn choose<'a>(reports: &'a [AdapterReport], request: &GpuRequest) -> Result<&'a AdapterReport> {
    if reports.is_empty() {
        return Err(Error::adapter("no GPU adapter found", Hint::Driver));
    }
    let listed = || {
        let names: Vec<_> =
            reports.iter().map(|r| format!("{} `{}` ({}, {})", r.index, r.name, r.backend, r.kind)).collect();
        names.join(", ")
    };
    match request {
        GpuRequest::Best => automatic(reports).ok_or_else(|| {
            let listed = listed();
            Error::adapter(format!("no real GPU found, only {listed}"), Hint::SoftwareByName)
        }),
        GpuRequest::Named(name) => {
            let by_index = name.parse::<usize>().ok().and_then(|index| reports.get(index));
            let text = name.to_lowercase();
            // A small number is never part of a name: `7` must not find the `7` of a driver's version.
            let number = by_index.is_some() || name.len() < 3 && name.parse::<usize>().is_ok();
            let by_name = || if number { None } else { named(reports, &text) };
            by_index
                .or_else(by_name)
                .ok_or_else(|| Error::adapter(format!("no adapter matches `{name}`; there are: {}", listed()), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(index: usize, name: &str, kind: &'static str) -> AdapterReport {
        AdapterReport {
            index,
            name: name.to_owned(),
            backend: "vulkan".to_owned(),
            driver: String::new(),
            kind,
            below_default_limits: None,
            subgroups: false,
            f16: false,
            max_storage_binding: 1 << 27,
            max_buffer: 1 << 28,
            max_workgroup_memory: 16384,
            max_invocations: 256,
            eligible: kind != "software",
        }
    }

    #[test]
    fn auto_prefers_a_discrete_gpu_and_never_takes_software() {
        let all = [made_up(0, "llvmpipe", "software"), made_up(1, "Iris", "integrated"), made_up(2, "RTX", "discrete")];
        assert_eq!(automatic(&all).map(|r| r.index), Some(2));
        assert_eq!(automatic(&all[..2]).map(|r| r.index), Some(1));
        assert!(automatic(&all[..1]).is_none());
    }

    #[test]
    fn a_software_adapter_must_be_named() {
        let all = [made_up(0, "llvmpipe (LLVM 15)", "software")];
        let refused = choose(&all, &GpuRequest::Best).unwrap_err().to_string();
        assert!(refused.contains("llvmpipe") && refused.contains("name one"), "{refused}");
        assert_eq!(choose(&all, &GpuRequest::Named("LLVMpipe".into())).unwrap().index, 0);
        assert_eq!(choose(&all, &GpuRequest::Named("0".into())).unwrap().index, 0);
        assert!(choose(&all, &GpuRequest::Named("1".into())).is_err(), "part of LLVM's version, but no index");
        let unknown = choose(&all, &GpuRequest::Named("radeon".into())).unwrap_err().to_string();
        assert!(unknown.contains("radeon") && unknown.contains("llvmpipe"), "{unknown}");
    }

    #[test]
    fn no_adapter_at_all_says_how_to_get_one() {
        let refused = choose(&[], &GpuRequest::Best).unwrap_err().to_string();
        assert!(refused.contains("mesa-vulkan-drivers"), "{refused}");
    }
}
