//! Verification: the GPU against the CPU reference, kernel by kernel, step by step, and over whole runs.
//!
//! The oracle is the CPU executor on [`Bounded`](crate::scalar::Bounded): from the same f32 inputs it computes each
//! value in f64, and with it a bound on what any f32 device that keeps to WGSL's accuracy table may answer.

mod cases;
mod compare;
mod input_cases;
mod kernels;
mod loss_cases;
mod metric_cases;
mod network;
mod optimizer_cases;
mod report;
mod suite;
mod tail_cases;

#[cfg(test)]
pub(crate) mod tests;

pub use compare::{Comparison, compare};
pub(crate) use kernels::written;
pub use report::{Row, Summary};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuOptions, GpuRequest};
use crate::precision::Precision;

/// What to verify.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Of the made-up inputs.
    pub seed: u64,
    /// Only kernels whose name contains this; the runs of whole networks are called `lock-step` and `free run`.
    pub filter: Option<String>,
    /// A third of the sizes only.
    pub quick: bool,
    /// Of f16 the kernels that read or write it, and whole networks that store it; the device must be open for it.
    pub precision: Precision,
}

/// Verifies every kernel variant on a device; `report` gets each row of the table as soon as it is there.
///
/// # Errors
/// [`Error::Device`] if the device fails. A kernel that answers wrongly is no error here, but a failed row.
pub fn verify(gpu: &Gpu, options: &VerifyOptions, report: &mut dyn FnMut(&Row)) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut add = |row: Row| {
        summary.add(&row);
        report(&row);
    };
    let wanted = |name: &str| options.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    for suite in cases::suites(options.seed, options.quick, options.precision)? {
        if wanted(suite.kernel) {
            let answered = kernels::Answered::new(suite)?;
            for variant in answered.variants(gpu) {
                add(answered.check(gpu, variant)?);
            }
        }
    }
    for network in network::networks(options.seed, options.precision)? {
        if wanted("lock-step") {
            add(network::lock_step(gpu, &network)?);
        }
        if network.stays && wanted("free run") {
            add(network::free_run(gpu, &network)?);
        }
    }
    Ok(summary)
}

/// Verifies the variants of one kernel family at a third of the sizes, side by side only: pipelines do not know R, and
/// compiling is what takes its time. For the tuner.
pub(crate) fn verify_family(gpu: &Gpu, stem: &str, precision: Precision, report: &mut dyn FnMut(&Row)) -> Result<()> {
    let own = cases::suites(0, true, precision)?.into_iter();
    for suite in own.filter(|suite| suite.kernel == stem && suite.plan.replicas > 1) {
        let answered = kernels::Answered::new(suite)?;
        for variant in answered.variants(gpu) {
            report(&answered.check(gpu, variant)?);
        }
    }
    Ok(())
}

/// The adapter for tests, at default limits: the first whose name contains `WGRAD_TEST_ADAPTER`, or the first of all,
/// software ones too.
///
/// # Errors
/// [`Error::Adapter`] with the way to get one: tests need an adapter, and never pass by skipping.
#[doc(hidden)]
pub fn test_gpu() -> Result<Gpu> {
    let name = std::env::var("WGRAD_TEST_ADAPTER").unwrap_or_else(|_| "0".to_owned());
    let options = GpuOptions { request: GpuRequest::Named(name), default_limits: true, ..Default::default() };
    Gpu::request_blocking(&options).map_err(|error| match error {
        Error::Adapter { reason, hint } => {
            Error::adapter(format!("{reason}; for the tests: ./scripts/ensure_vulkan.sh"), hint)
        }
        other => other,
    })
}
