//! Every case of every suite, in every variant, against the oracle.

use super::compare::{Comparison, compare};
use super::report::Row;
use super::suite::Suite;
use crate::cpu::CpuExecutor;
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::reflect::{Access, Reflection};
use crate::gpu::{Choice, Gpu, GpuExecutor};
use crate::ops::{Op, Operation};
use crate::plan::{ProgramId, TensorId};
use crate::scalar::Bounded;

/// A suite with the oracle's answers.
pub(super) struct Answered {
    pub suite: Suite,
    oracle: CpuExecutor<Bounded>,
}

impl Answered {
    /// Lets the oracle answer.
    pub fn new(suite: Suite) -> Result<Self> {
        let mut oracle = CpuExecutor::<Bounded>::new(suite.plan.clone())?;
        suite.fill(&mut oracle)?;
        submit(&suite, &mut oracle)?;
        Ok(Self { suite, oracle })
    }

    /// Runs the suite in each of its kernel's variants.
    pub fn check(&self, gpu: &Gpu, report: &mut dyn FnMut(Row)) -> Result<()> {
        let Self { suite, oracle } = self;
        let Some(first) = suite.plan.train.steps.first() else { return Ok(()) };
        for variant in first.op.variants() {
            let mut device = GpuExecutor::with_choice(gpu.clone(), suite.plan.clone(), Choice::Named(variant.name))?;
            suite.fill(&mut device)?;
            submit(suite, &mut device)?;
            report(compare_suite(suite, variant.name, oracle, &mut device)?);
        }
        Ok(())
    }
}

fn submit(suite: &Suite, executor: &mut dyn Executor) -> Result<()> {
    let mut cases = suite.cases.iter().enumerate();
    cases.try_for_each(|(step, case)| executor.submit_step(ProgramId::Train, step, case.iteration))
}

fn compare_suite(suite: &Suite, variant: &str, oracle: &CpuExecutor<Bounded>, device: &mut GpuExecutor) -> Result<Row> {
    let mut row = Row::new(suite.kernel, variant, suite.what.clone());
    for (case, step) in suite.cases.iter().zip(&suite.plan.train.steps) {
        row.case();
        for id in written(&step.op)? {
            row.note(&compare_tensor(oracle, device, id)?, &format!("{}: {}", case.label, suite.plan.tensor(id).name));
        }
    }
    Ok(row)
}

/// A tensor of the device against the oracle's.
pub(super) fn compare_tensor(
    oracle: &CpuExecutor<Bounded>,
    device: &mut GpuExecutor,
    id: TensorId,
) -> Result<Comparison> {
    Ok(compare(&device.read(id)?, oracle.memory().real(id)))
}

/// The tensors that an operation may write, by its shader.
pub(super) fn written(op: &Op) -> Result<Vec<TensorId>> {
    let reflection = Reflection::of(op.shader())?;
    let writable = |name: &str| reflection.bindings.iter().any(|b| b.name == name && b.access == Access::ReadWrite);
    let mut ids: Vec<_> = op.arguments().into_iter().filter(|(name, _)| writable(name)).map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
