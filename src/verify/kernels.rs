//! Every case of every suite, in every variant, against the oracle.

use std::collections::BTreeMap;

use super::compare::{Comparison, compare, compare_words};
use super::report::Row;
use super::suite::Suite;
use crate::cpu::CpuExecutor;
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::reflect::{Access, Reflection};
use crate::gpu::{Choice, Gpu, GpuExecutor};
use crate::ops::{Op, Operation};
use crate::plan::{ProgramId, Step};
use crate::scalar::Bounded;
use crate::tensor::{Element, TensorId};

/// A suite with the oracle's answers.
pub(super) struct Answered {
    pub suite: Suite,
    oracle: CpuExecutor<Bounded>,
    /// What each case's step may write.
    written: Vec<Vec<TensorId>>,
}

impl Answered {
    /// Lets the oracle answer.
    pub fn new(suite: Suite) -> Result<Self> {
        let mut oracle = CpuExecutor::<Bounded>::new(suite.plan.clone())?;
        suite.fill(&mut oracle)?;
        submit(&suite, &mut oracle)?;
        let written = written(&suite.plan.program(ProgramId::Steps).steps)?;
        Ok(Self { suite, oracle, written })
    }

    /// The ways to run the suite's kernel.
    pub fn variants(&self, gpu: &Gpu) -> impl Iterator<Item = &'static str> + use<> {
        let op = self.suite.plan.program(ProgramId::Steps).steps.first().map(|step| &step.op);
        let subgroup = op.and_then(Op::subgroup).filter(|_| gpu.subgroups).map(|kernel| &kernel.variant);
        op.map(Op::variants).unwrap_or_default().iter().chain(subgroup).map(|variant| variant.name)
    }

    /// Runs the suite in one variant of its kernel.
    pub fn check(&self, gpu: &Gpu, variant: &'static str) -> Result<Row> {
        let suite = &self.suite;
        let mut device = GpuExecutor::with_choice(gpu.clone(), suite.plan.clone(), Choice::Named(variant))?;
        suite.fill(&mut device)?;
        submit(suite, &mut device)?;
        let mut row = Row::new(suite.kernel, variant, suite.what.clone());
        for (case, written) in suite.cases.iter().zip(&self.written) {
            row.case();
            for id in written {
                let name = format!("{}: {}", case.label, suite.plan.tensor(*id).name);
                row.note(&compare_tensor(&self.oracle, &mut device, *id)?, &name);
            }
        }
        Ok(row)
    }
}

fn submit(suite: &Suite, executor: &mut dyn Executor) -> Result<()> {
    let mut cases = suite.cases.iter().enumerate();
    cases.try_for_each(|(step, case)| executor.submit_step(ProgramId::Steps, step, case.iteration))
}

/// A tensor of the device against the oracle's; whole numbers must be the same.
pub(super) fn compare_tensor(
    oracle: &CpuExecutor<Bounded>,
    device: &mut GpuExecutor,
    id: TensorId,
) -> Result<Comparison> {
    if oracle.plan().tensor(id).element == Element::U32 {
        return Ok(compare_words(&device.read_words(id)?, &oracle.words(id)));
    }
    Ok(compare(&device.read(id)?, &oracle.numbers(id)))
}

/// The tensors that each step may write, by its shader.
pub(crate) fn written(steps: &[Step]) -> Result<Vec<Vec<TensorId>>> {
    // Each shader is parsed once, however many steps it has.
    let mut writable: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut all = Vec::new();
    for step in steps {
        let stem = step.operation();
        if !writable.contains_key(stem) {
            let bindings = Reflection::of(step.op.shader())?.bindings.into_iter();
            let names = bindings.filter(|binding| binding.access == Access::ReadWrite).map(|binding| binding.name);
            writable.insert(stem, names.collect());
        }
        let names = &writable[stem];
        let arguments = step.op.arguments().into_iter();
        let mut ids: Vec<_> =
            arguments.filter(|(name, _)| names.iter().any(|own| own == name)).filter_map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        all.push(ids);
    }
    Ok(all)
}
