//! Tuning in an idle moment: only among variants that give the same bits, so that no later run differs for it.

use std::path::Path;
use std::time::Duration;

use super::{Candidate, TunedStep, race, winner};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::gpu::reflect::Reflection;
use crate::gpu::{Choice, Gpu, GpuExecutor, Tuning, shape_of, usual};
use crate::ops::{Halves, Operation, adds_alike};
use crate::plan::{Plan, Port, ProgramId, Step};
use crate::platform::now;
use crate::random::{Purpose, Stream};
use crate::tensor::TensorData;
use crate::tensor::{Element, Iteration, Role};
use crate::train::Trainer;
use crate::verify::written;

/// The time in which one step's variants are compared.
const MOMENT: Duration = Duration::from_millis(50);
/// Numbers that are drawn for tensors, again and again.
const DRAWN: usize = 4099;

/// Looks for faster variants of the kernels that training on data such as these runs, for about `budget` in all, and notes in
/// `tuning` what it has decided: for later runs, since a run keeps its own. Only variants that add in the same order as the
/// present one are tried, and they must write the same bits from the same tensors, of a full batch and of a short one: at
/// its shape a closer check than any bound. What the budget does not reach is left for another time; what is decided, by
/// [`tune`](super::tune) too, is not tried again. Gives the steps that were decided: none on the CPU, and none where every
/// other variant adds in another order, as for products too small to fill a GPU.
///
/// # Errors
/// What the device reports, and as [`Trainer::plan`].
pub fn refine(trainer: &Trainer, data: &Dataset, tuning: &mut Tuning, budget: Duration) -> Result<Vec<TunedStep>> {
    let started = now();
    let Some(gpu) = trainer.device().as_gpu() else { return Ok(Vec::new()) };
    let plan = trainer.plan(&data.take(trainer.spec().batch.min(data.len()))?)?;
    let network = format!("{}@{}", trainer.model().architecture(), trainer.spec().batch);
    let mut tuned = Vec::new();
    for step in &plan.program(ProgramId::Train).steps {
        let shape = shape_of(&step.op, Halves::of(&step.op, &plan.tensors), plan.replicas);
        let Some(shape) = shape.filter(|shape| !tuning.knows(shape)) else { continue };
        let present = usual(&step.op, &Reflection::of(step.op.shader())?, plan.replicas, gpu.is_software());
        let alike: Vec<_> = step.op.variants().iter().filter(|other| adds_alike(present, other)).collect();
        if alike.len() < 2 {
            continue;
        }
        if started.elapsed() >= budget {
            break;
        }
        let contest =
            Contest { step, shape, default: present.name, variants: alike.iter().map(|own| own.name).collect() };
        let decided = contest.decide(gpu, &plan, network.clone())?;
        tuning.refine(decided.shape.clone(), &decided.chosen);
        tuned.push(decided);
    }
    Ok(tuned)
}

/// [`refine`] with the record of the trainer's adapter and driver in `directory`, which is written where anything has been
/// learned.
///
/// # Errors
/// As [`refine`], and [`Error::Io`].
pub fn refine_in(directory: &Path, trainer: &Trainer, data: &Dataset, budget: Duration) -> Result<Vec<TunedStep>> {
    let Some(gpu) = trainer.device().as_gpu() else { return Ok(Vec::new()) };
    let known = match Tuning::load(directory, gpu) {
        // One of other kernels, or damaged, says nothing.
        Ok(None) | Err(Error::Data { .. }) => Tuning::new(gpu),
        Ok(Some(known)) => known,
        Err(error) => return Err(error),
    };
    let mut tuning = known.clone();
    let tuned = refine(trainer, data, &mut tuning, budget)?;
    if tuning != known {
        tuning.save(directory, gpu)?;
    }
    Ok(tuned)
}

/// A step of a plan, and the variants that may take the place of its default.
struct Contest<'a> {
    step: &'a Step,
    shape: String,
    default: &'static str,
    variants: Vec<&'static str>,
}

impl Contest<'_> {
    /// Times those that write the default's bits.
    fn decide(self, gpu: &Gpu, plan: &Plan, network: String) -> Result<TunedStep> {
        let Self { step, shape, default, variants } = self;
        // Nothing but the step, in every variant.
        let mut alone = plan.with_steps(vec![step.clone(); variants.len()]);
        // What it does not touch takes no room.
        let own: Vec<_> = step.op.arguments().into_iter().filter_map(|(_, id)| id).collect();
        for (id, tensor) in plan.ids().zip(&mut alone.tensors) {
            if !own.contains(&id) && !matches!(tensor.role, Role::Metric | Role::Order | Role::Input) {
                tensor.shape = vec![4];
            }
        }
        let choice = Choice::Steps(variants.iter().copied().map(Some).collect());
        let mut executor = GpuExecutor::with_choice(gpu.clone(), alone, choice)?;
        let train = plan.program(ProgramId::Train);
        let samples = plan.tensor(train.port(Port::Samples)).shape[0];
        fill(&mut executor, samples as u32)?;
        let rows = train.batch as u32;
        let batch = |rows| Iteration { rows, first: 0, slot: 0, number: 1 };
        let mut equal = vec![true; variants.len()];
        for rows in [rows, rows / 2 + 1] {
            let bits = bits(&mut executor, variants.len(), batch(rows.min(train.batch as u32)))?;
            let wanted = variants.iter().position(|name| *name == default).map(|index| bits[index].clone());
            equal.iter_mut().zip(bits).for_each(|(equal, own)| *equal &= Some(own) == wanted);
        }
        let steps: Vec<usize> = (0..variants.len()).filter(|step| equal[*step]).collect();
        let seconds = race(steps.len(), MOMENT, &mut |candidate, times| {
            let timing = executor.time_step(ProgramId::Steps, steps[candidate], batch(rows), times)?;
            Ok(timing.seconds / times as f64)
        })?;
        let candidates = steps.iter().zip(seconds);
        let candidates: Vec<_> =
            candidates.map(|(step, seconds)| Candidate { variant: variants[*step], seconds }).collect();
        let chosen = winner(&candidates, default).unwrap_or(default).into();
        let default = default.into();
        let replicas = plan.replicas;
        Ok(TunedStep { network, replicas, step: step.label.clone(), shape, candidates, default, chosen })
    }
}

/// What each of so many steps, which are one in several variants, writes of the same tensors.
fn bits(executor: &mut GpuExecutor, steps: usize, iteration: Iteration) -> Result<Vec<Vec<u32>>> {
    let written = written(&executor.plan().program(ProgramId::Steps).steps[..1])?.concat();
    let before: Result<Vec<_>> = written.iter().map(|id| executor.read(*id)).collect();
    let before = before?;
    let mut all = Vec::new();
    for step in 0..=steps {
        written.iter().zip(&before).try_for_each(|(id, values)| executor.write(*id, 0, TensorData::F32(values)))?;
        // In the end they are as they were.
        if step == steps {
            break;
        }
        executor.submit_step(ProgramId::Steps, step, iteration)?;
        let mut own = Vec::new();
        for id in &written {
            own.extend(executor.read(*id)?.iter().map(|value| value.to_bits()));
        }
        all.push(own);
    }
    Ok(all)
}

/// Numbers in all tensors, such as they may have in training on so many samples.
fn fill(executor: &mut GpuExecutor, samples: u32) -> Result<()> {
    let plan = executor.plan().clone();
    let mut stream = Stream::new(0, Purpose::Inputs, 0);
    let drawn: Vec<f32> = (0..DRAWN).map(|_| stream.symmetric(0.125)).collect();
    for id in plan.ids() {
        let tensor = plan.tensor(id);
        let numbers = drawn.iter().cycle().take(tensor.len());
        match (tensor.element, tensor.role) {
            (Element::F32 | Element::F16, Role::OptimizerState) => {
                let numbers: Vec<f32> = numbers.map(|x| x.abs()).collect();
                executor.write(id, 0, TensorData::F32(&numbers))?;
            }
            (Element::F32 | Element::F16, _) => {
                let numbers: Vec<f32> = numbers.copied().collect();
                executor.write(id, 0, TensorData::F32(&numbers))?;
            }
            (Element::U8, _) => {
                let numbers: Vec<u8> = numbers.map(|x| (x.abs() * 2040.0) as u8).collect();
                executor.write(id, 0, TensorData::U8(&numbers))?;
            }
            (Element::U32, Role::Order) => {
                let numbers: Vec<u32> = (0..tensor.len() as u32).map(|n| n % samples).collect();
                executor.write(id, 0, TensorData::U32(&numbers))?;
            }
            (Element::U32, _) => executor.write(id, 0, TensorData::U32(&vec![0; tensor.len()]))?,
        }
    }
    Ok(())
}
