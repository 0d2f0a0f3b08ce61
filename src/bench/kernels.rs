//! Each step of a training plan by itself, against the roofline.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::network::Network;
use super::probe::{Peak, sample};
use super::traffic::bytes;
use crate::data::{Dataset, Features, Targets};
use crate::error::Result;
use crate::executor::{Clock, Executor};
use crate::ops::Operation;
use crate::plan::{Port, Program, ProgramId};
use crate::spec::Sequential;
use crate::tensor::Iteration;
use crate::tensor::TensorData;
use crate::train::Device;

/// The most repetitions of a step in one timing.
const MOST: usize = 1 << 16;

/// One kernel of a training step, timed by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelRow {
    /// `784-128-10@64`: widths and batch.
    pub network: String,
    /// `layers.0 forward`
    pub step: String,
    /// The kernel family.
    pub operation: &'static str,
    /// The variant that the device runs; none on the CPU.
    pub variant: Option<Cow<'static, str>>,
    /// Floating-point operations of one run, a multiply-add counted as two.
    pub flops: u64,
    /// Bytes that one run must read and write at least.
    pub bytes: u64,
    /// How often it ran within the timings.
    pub runs: usize,
    /// Of one run: the median of the timings.
    pub seconds: f64,
    /// By which clock.
    pub clock: Clock,
    /// Billions of floating-point operations a second.
    pub gflops: f64,
    /// The least seconds that the device's peaks allow, as a share of those taken. Over 1 where data come from a cache
    /// that is faster than the memory of the peak.
    pub roofline: f64,
    /// What the roofline is made of here: `bytes` or `flops`.
    pub bound: &'static str,
}

/// Times each step of a network's training plan by itself, all of them within about `budget`.
///
/// # Errors
/// What the device reports, [`Error::Limit`](crate::Error::Limit) among it.
pub fn kernels(
    device: &Device,
    network: &Network,
    peak: &Peak,
    budget: Duration,
    report: &mut dyn FnMut(KernelRow),
) -> Result<()> {
    let (mut executor, _) = filled(device, network, 1)?;
    let iteration = Iteration { rows: network.batch() as u32, first: 0, slot: 0, number: 1 };
    // One whole step first, so that every tensor holds what it does in training.
    executor.submit(ProgramId::Train, &[iteration])?;
    executor.metrics(true)?;
    let chosen = executor.kernels(ProgramId::Train);
    let steps = executor.plan().program(ProgramId::Train).steps.clone();
    for (index, step) in steps.iter().enumerate() {
        let time = &mut |times| executor.time_step(ProgramId::Train, index, iteration, times);
        let samples = sample(budget / steps.len() as u32, MOST, time)?;
        let seconds = samples.seconds[samples.seconds.len() / 2];
        let (flops, bytes) = (step.op.flops(), bytes(executor.plan(), ProgramId::Train, step)?);
        report(KernelRow {
            network: network.to_string(),
            step: step.label.clone(),
            operation: step.operation(),
            variant: chosen.get(index).map(|kernel| kernel.variant.clone()),
            flops,
            bytes,
            runs: samples.times * samples.seconds.len(),
            seconds,
            clock: samples.clock,
            gflops: flops as f64 / seconds / 1e9,
            roofline: peak.least_seconds(bytes, flops) / seconds,
            bound: if peak.least_seconds(bytes, 0) < peak.least_seconds(0, flops) { "flops" } else { "bytes" },
        });
    }
    Ok(())
}

/// An executor of a network's plan with weights, samples, targets and order, as a fit would write them; and how many
/// samples.
pub(super) fn filled(device: &Device, network: &Network, replicas: usize) -> Result<(Box<dyn Executor>, usize)> {
    let trainer = network.trainer(device, replicas)?;
    let data = network.samples()?;
    let plan = trainer.plan(&data)?;
    let train = plan.program(ProgramId::Train).clone();
    let mut executor = device.executor(plan, None)?;
    fill(executor.as_mut(), &train, &network.model(), &data)?;
    Ok((executor, data.len()))
}

/// Writes weights, and samples, targets and orders where a plan's program has them.
pub(crate) fn fill(executor: &mut dyn Executor, program: &Program, model: &Sequential, data: &Dataset) -> Result<()> {
    let replicas = executor.plan().replicas;
    executor.write_state(&model.initial(&vec![0; replicas]))?;
    let [samples, targets, order] = [Port::Samples, Port::Targets, Port::Order].map(|port| program.port(port));
    let (Features::U8(images), Targets::Classes(labels)) = (data.features(), data.targets()) else {
        panic!("benchmarks have images as samples and classes as targets");
    };
    executor.write(samples, 0, TensorData::U8(images.as_slice().expect("images are contiguous")))?;
    executor.write(targets, 0, TensorData::U32(labels))?;
    let indices: Vec<u32> = (0..data.len() as u32).collect();
    (0..replicas).try_for_each(|r| executor.write(order, r * indices.len(), TensorData::U32(&indices)))
}
