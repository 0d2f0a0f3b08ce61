use std::path::Path;

use crate::cpu::CpuExecutor;
use crate::error::{Error, Result};
use crate::executor::{DeviceInfo, Executor, KernelRecords};
use crate::gpu::{Choice, Gpu, GpuExecutor, GpuOptions, GpuRequest, Tuning};
use crate::plan::{MemoryReport, Plan};
use crate::platform::wait;
use crate::precision::Precision;

/// Where a model is trained.
///
/// ```no_run
/// use wgrad::{Device, Error, GpuOptions, GpuRequest};
///
/// let best = Device::auto()?; // a real GPU, or else the CPU
/// println!("{} {}", best.info().adapter, best.note().unwrap_or_default());
/// let options = GpuOptions { request: GpuRequest::Named("llvmpipe".into()), ..GpuOptions::default() };
/// let device = match Device::gpu_with(&options) {
///     Err(Error::Adapter { .. }) => Device::cpu(), // no adapter is called so
///     opened => opened?,
/// };
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Device {
    kind: Kind,
    note: Option<String>,
    kernel_note: Option<String>,
}

#[derive(Clone, Debug)]
enum Kind {
    Cpu,
    Gpu(Box<Gpu>),
}

impl Device {
    /// The CPU executor, on all cores.
    pub fn cpu() -> Self {
        Self { kind: Kind::Cpu, note: None, kernel_note: None }
    }

    /// A GPU.
    ///
    /// # Errors
    /// [`Error::Adapter`] if none fits the request.
    pub fn gpu(request: GpuRequest) -> Result<Self> {
        Self::gpu_with(&GpuOptions { request, ..GpuOptions::default() })
    }

    /// A GPU, opened so.
    ///
    /// # Errors
    /// [`Error::Adapter`] if none fits the request, or lacks what the options ask for.
    pub fn gpu_with(options: &GpuOptions) -> Result<Self> {
        Ok(Gpu::request_blocking(options)?.into())
    }

    /// The best real GPU, or else the CPU executor: never a software rasterizer, which the CPU executor outruns.
    /// [`Device::note`] says why it is the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] if there is a GPU that cannot be opened.
    pub fn auto() -> Result<Self> {
        wait(Self::request())
    }

    /// [`Device::auto`], asynchronous.
    ///
    /// # Errors
    /// As there.
    pub async fn request() -> Result<Self> {
        Self::request_with(&GpuOptions::default()).await
    }

    /// [`Device::auto`] for plans of this precision.
    ///
    /// # Errors
    /// As there; [`Error::Feature`] if the best real GPU cannot run them.
    pub fn auto_for(precision: Precision) -> Result<Self> {
        wait(Self::request_with(&GpuOptions { f16: precision == Precision::F16, ..GpuOptions::default() }))
    }

    async fn request_with(options: &GpuOptions) -> Result<Self> {
        match Gpu::request(options).await {
            Ok(gpu) => Ok(gpu.into()),
            Err(Error::Adapter { reason, .. }) => Ok(Self { kind: Kind::Cpu, note: Some(reason), kernel_note: None }),
            Err(error) => Err(error),
        }
    }

    /// The same device with the kernels that `wgrad tune` found fastest on it, where `directory` has a record of that;
    /// [`Device::kernel_note`] says why a record is passed over. Nothing is measured here.
    #[must_use]
    pub fn with_tuned_kernels(self, directory: &Path) -> Self {
        let Kind::Gpu(gpu) = &self.kind else { return self };
        match Tuning::load(directory, gpu) {
            Ok(Some(tuning)) => Self { kind: Kind::Gpu(Box::new((**gpu).clone().tuned(tuning))), ..self },
            Ok(None) => self,
            Err(error) => Self { kernel_note: Some(format!("default kernels: {error}; see `wgrad tune`")), ..self },
        }
    }

    /// Why kernels that were tuned are passed over.
    pub fn kernel_note(&self) -> Option<&str> {
        self.kernel_note.as_deref()
    }

    /// Why it is this device, where that was not asked for.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Name, backend, driver.
    pub fn info(&self) -> DeviceInfo {
        match &self.kind {
            Kind::Cpu => crate::cpu::info(),
            Kind::Gpu(gpu) => gpu.info(),
        }
    }

    /// True for a rasterizer that runs on the CPU.
    pub fn is_software(&self) -> bool {
        self.as_gpu().is_some_and(Gpu::is_software)
    }

    /// Bytes that a GPU's allocator has handed out, for all that is open on it now; none on the CPU, and where the
    /// backend keeps no count.
    pub fn allocated_bytes(&self) -> Option<u64> {
        self.as_gpu().and_then(Gpu::allocated_bytes)
    }

    pub(crate) fn as_gpu(&self) -> Option<&Gpu> {
        match &self.kind {
            Kind::Cpu => None,
            Kind::Gpu(gpu) => Some(gpu),
        }
    }

    /// The largest tensor that it can bind, in bytes.
    pub(crate) fn largest_binding(&self) -> u64 {
        match &self.kind {
            Kind::Cpu => u64::MAX,
            Kind::Gpu(gpu) => gpu.largest_binding(),
        }
    }

    /// Whether it was opened for what a plan stores.
    pub(crate) fn check_precision(&self, plan: &Plan) -> Result<()> {
        self.as_gpu().map_or(Ok(()), |gpu| gpu.check_precision(plan))
    }

    /// What a plan takes of its memory, and what there is. Nothing is allocated for it, and nothing runs.
    pub fn memory(&self, plan: &Plan) -> MemoryReport {
        match &self.kind {
            Kind::Cpu => CpuExecutor::<f32>::footprint(plan),
            Kind::Gpu(gpu) => GpuExecutor::footprint(gpu, plan),
        }
    }

    /// An executor, on a GPU with the kernels of `record` where there is one.
    pub(crate) fn executor(&self, plan: Plan, record: Option<&KernelRecords>) -> Result<Box<dyn Executor>> {
        Ok(match (&self.kind, record) {
            (Kind::Cpu, _) => Box::new(CpuExecutor::<f32>::new(plan)?),
            (Kind::Gpu(gpu), None) => Box::new(GpuExecutor::new((**gpu).clone(), plan)?),
            (Kind::Gpu(gpu), Some(record)) => {
                let choice = Choice::recorded(&plan, record);
                Box::new(GpuExecutor::with_choice((**gpu).clone(), plan, choice)?)
            }
        })
    }
}

impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self { kind: Kind::Gpu(Box::new(gpu)), note: None, kernel_note: None }
    }
}
