//! Which adapters there are, and which one to take.

use std::sync::{Arc, Mutex};

use super::Tuning;
use super::report::{AdapterReport, choose, report};
use crate::error::{Error, Result};
use crate::executor::DeviceInfo;
use crate::hint::Hint;
use crate::ops::{Compiler, Shader};
use crate::plan::Plan;
use crate::platform::wait;
use crate::tensor::Element;

const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN.union(wgpu::Backends::METAL).union(wgpu::Backends::DX12);

/// Bytes of a binding, at most, whatever the adapter allows, as Metal does: kernels count its elements, of which bytes are
/// the smallest, in 32 bits.
const MOST_BINDING: u64 = (1 << 32) - 4;

/// Which adapter a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GpuRequest {
    /// The best real GPU; never a software rasterizer.
    #[default]
    Best,
    /// The adapter whose name contains this text, in any case, or whose index in [`adapters`] this is; software
    /// rasterizers too.
    Named(String),
}

/// How a device is opened.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Which adapter.
    pub request: GpuRequest,
    /// Keep to `wgpu::Limits::default()` even where the adapter allows larger buffers.
    pub default_limits: bool,
    /// Take the kernels that use subgroup operations, where there are such. Their results may differ in the last bits from
    /// other drivers' and from the other kernels'.
    pub subgroups: bool,
    /// Open it for plans of [`Precision::F16`](crate::Precision).
    pub f16: bool,
}

/// An open device.
#[derive(Clone, Debug)]
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: wgpu::AdapterInfo,
    pub(crate) failure: Arc<Mutex<Option<String>>>,
    /// Shaders that stand in for those of the same stem, by which tests break a kernel to see verification fail.
    pub(crate) replaced: Vec<&'static Shader>,
    /// Which kernel variants its executors take where these say so; by shape alone without.
    pub(crate) tuning: Option<Arc<Tuning>>,
    /// Whether its executors take the kernels that use subgroup operations.
    pub(crate) subgroups: bool,
    /// Whether it can run plans that store f16.
    pub(crate) f16: bool,
}

/// Every adapter of the machine.
pub async fn adapters() -> Vec<AdapterReport> {
    enumerate().await.iter().enumerate().map(|(index, adapter)| report(index, adapter)).collect()
}

/// [`adapters`], blocking.
pub fn adapters_blocking() -> Vec<AdapterReport> {
    wait(adapters())
}

impl Gpu {
    /// Opens an adapter.
    ///
    /// # Errors
    /// [`Error::Adapter`] if there is none that fits: it lists those that there are; or if it has no subgroup operations,
    /// and they are asked for. [`Error::Feature`] if it is asked for f16 and has none.
    pub async fn request(options: &GpuOptions) -> Result<Self> {
        let adapters = enumerate().await;
        let reports: Vec<_> = adapters.iter().enumerate().map(|(index, adapter)| report(index, adapter)).collect();
        let chosen = choose(&reports, &options.request)?;
        if let Some(missing) = &chosen.below_default_limits {
            let name = &chosen.name;
            return Err(Error::adapter(
                format!("adapter `{name}` is below WebGPU's default limits: {missing}"),
                Hint::OtherAdapter,
            ));
        }
        if options.subgroups && !chosen.subgroups {
            let reason = format!("adapter `{}` has no subgroup operations", chosen.name);
            return Err(Error::adapter(reason, Hint::NoSubgroups));
        }
        if options.f16 && !chosen.f16 {
            return Err(Error::Feature {
                adapter: chosen.name.clone(),
                feature: "SHADER_F16",
                setting: "precision f16",
                hint: Hint::NoF16,
            });
        }
        Self::open(&adapters[chosen.index], options).await
    }

    /// [`Gpu::request`], blocking.
    ///
    /// # Errors
    /// As there.
    pub fn request_blocking(options: &GpuOptions) -> Result<Self> {
        wait(Self::request(options))
    }

    async fn open(adapter: &wgpu::Adapter, options: &GpuOptions) -> Result<Self> {
        let asked = |on: bool, feature| if on { feature } else { wgpu::Features::empty() };
        let subgroups = asked(options.subgroups, wgpu::Features::SUBGROUP);
        let f16 = asked(options.f16, wgpu::Features::SHADER_F16);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgrad"),
            required_limits: required_limits(&adapter.limits(), options.default_limits),
            // Time stamps are for benchmarks; no kernel needs them. Subgroup operations only where they are asked for:
            // with them wgpu lets drivers vary the subgroups' size in all kernels. So for f16.
            required_features: adapter.features() & (wgpu::Features::TIMESTAMP_QUERY | subgroups | f16),
            ..Default::default()
        };
        let (device, queue) =
            adapter.request_device(&descriptor).await.map_err(|error| Error::Device(error.to_string()))?;
        let failure = Arc::new(Mutex::new(None));
        let (lost, uncaptured) = (failure.clone(), failure.clone());
        device.set_device_lost_callback(move |reason, message| {
            note(&lost, format!("device lost ({reason:?}): {message}"))
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&uncaptured, error.to_string())));
        let (info, subgroups, f16) = (adapter.get_info(), options.subgroups, options.f16);
        Ok(Self { device, queue, info, failure, replaced: Vec::new(), tuning: None, subgroups, f16 })
    }

    /// The same device, whose executors take the kernel variants that were found fastest, where the shape is known. Other
    /// variants add in another order: results differ in their last bits.
    #[must_use]
    pub fn tuned(self, tuning: Tuning) -> Self {
        Self { tuning: Some(Arc::new(tuning)), ..self }
    }

    /// For reports.
    pub fn info(&self) -> DeviceInfo {
        DeviceInfo {
            device: "gpu".into(),
            adapter: self.info.name.clone(),
            backend: self.info.backend.to_string(),
            driver: driver(&self.info),
        }
    }

    /// True for a rasterizer that runs on the CPU.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Who compiles its shaders.
    pub(crate) fn compiler(&self) -> Compiler {
        match self.info.backend {
            wgpu::Backend::BrowserWebGpu => Compiler::Browser,
            _ => Compiler::Naga,
        }
    }

    /// Bytes that the device's allocator has handed out, where the backend keeps count.
    pub(crate) fn allocated_bytes(&self) -> Option<u64> {
        self.device.generate_allocator_report().map(|report| report.total_allocated_bytes)
    }

    /// Bytes of the largest tensor that it can bind.
    pub(crate) fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Whether it was opened for what a plan stores.
    pub(crate) fn check_precision(&self, plan: &Plan) -> Result<()> {
        if self.f16 || plan.tensors.iter().all(|tensor| tensor.element != Element::F16) {
            return Ok(());
        }
        let reason =
            format!("adapter `{}` was opened without SHADER_F16, which `Precision::F16` needs", self.info.name);
        Err(Error::adapter(reason, Hint::OpenForF16))
    }

    /// The shader to run for `own`: itself, but in tests that replace it.
    pub(crate) fn shader(&self, own: &'static Shader) -> &'static Shader {
        self.replaced.iter().find(|shader| shader.stem == own.stem).copied().unwrap_or(own)
    }

    /// An error if the device has failed since it was opened.
    pub(crate) fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failure.as_ref().map_or(Ok(()), |message| Err(Error::Device(message.clone())))
    }
}

/// What a device is opened with: WebGPU's default limits, and unless only these are asked for, the adapter's own sizes.
/// Kernels never need more than the defaults, large models and datasets do.
fn required_limits(had: &wgpu::Limits, default: bool) -> wgpu::Limits {
    let usual = wgpu::Limits::default();
    if default {
        return usual;
    }
    let binding = had.max_storage_buffer_binding_size.min(MOST_BINDING);
    wgpu::Limits {
        max_buffer_size: usual.max_buffer_size.max(had.max_buffer_size),
        max_storage_buffer_binding_size: usual.max_storage_buffer_binding_size.max(binding),
        ..usual
    }
}

/// The first failure is the cause; those after it follow from it.
fn note(failure: &Mutex<Option<String>>, message: String) {
    let mut failure = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // One line: messages go to a terminal, one line each.
    failure.get_or_insert_with(|| message.split_whitespace().collect::<Vec<_>>().join(" "));
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = BACKENDS;
    wgpu::Instance::new(descriptor).enumerate_adapters(BACKENDS).await
}

pub(super) fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_adapters_sizes_but_no_binding_that_32_bits_cannot_count() {
        let had = wgpu::Limits {
            max_buffer_size: 1 << 36,
            max_storage_buffer_binding_size: 1 << 36,
            max_storage_buffers_per_shader_stage: 31,
            ..wgpu::Limits::default()
        };
        let own = required_limits(&had, false);
        assert_eq!((own.max_buffer_size, own.max_storage_buffer_binding_size), (1 << 36, u64::from(u32::MAX) - 3));
        let rest = wgpu::Limits { max_buffer_size: 1 << 28, max_storage_buffer_binding_size: 1 << 27, ..own };
        assert_eq!(rest, wgpu::Limits::default(), "and nothing else of its own");
        assert_eq!(required_limits(&had, true), wgpu::Limits::default());
        let small = wgpu::Limits { max_storage_buffer_binding_size: 1 << 30, ..had };
        assert_eq!(required_limits(&small, false).max_storage_buffer_binding_size, 1 << 30);
    }
}
