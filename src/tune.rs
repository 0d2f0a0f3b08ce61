//! The tuner: which variant of each kernel is fastest on an adapter, at the shapes of given networks. Variants that
//! verification has not passed on that adapter and driver are never timed, let alone taken.
//!
//! [`tune`] takes its time and may change what a run's bits are; [`refine`] uses an idle moment and does not.

mod refine;

pub use refine::{refine, refine_in};

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::bench::{Network, TIMING, fill};
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::{Choice, Gpu, GpuExecutor, Tuning, shape_of};
use crate::ops::{Halves, Operation};
use crate::plan::{Plan, ProgramId, Step};
use crate::platform::now;
use crate::precision::Precision;
use crate::tensor::Iteration;
use crate::train::Device;
use crate::verify::{Row, verify_family};

/// The default stays where it is at most this much slower than the fastest: less is noise, and changes bits for nothing.
const TIE: f64 = 1.05;
/// A variant that takes so many times the fastest's time in its first timing is not timed again.
const HOPELESS: f64 = 4.0;
/// Turns in which each variant is timed at least, where the budget allows: one after the other, so that a change of the
/// device's clock meets all.
const TURNS: u32 = 3;
/// The most repetitions of a step in one timing.
const MOST: f64 = 65_536.0;

/// What the tuner tells on its way.
#[derive(Debug)]
pub enum Finding<'a> {
    /// A kernel family whose variants are verified now, those of this precision.
    Verifying(&'static str, Precision),
    /// A row of that verification.
    Verified(&'a Row),
    /// A step has its variant.
    Tuned(&'a TunedStep),
}

/// A training step with the times of its kernel's variants.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TunedStep {
    /// `784-128-10@64`: widths and batch.
    pub network: String,
    /// R.
    pub replicas: usize,
    /// `layers.0 forward`
    pub step: String,
    /// What the choice is for: kernel family, R, extents, kind of input, what is f16.
    pub shape: String,
    /// Every variant that passed verification.
    pub candidates: Vec<Candidate>,
    /// What would run without tuning.
    pub default: Cow<'static, str>,
    /// What runs from now on: the fastest, or the default where that is as fast within 5 %.
    pub chosen: Cow<'static, str>,
}

impl TunedStep {
    /// How many times as fast as the default the choice is, where both were timed.
    pub fn speedup(&self) -> Option<f64> {
        let seconds = |name| self.candidates.iter().find(|own| own.variant == name).map(|own| own.seconds);
        Some(seconds(&self.default)? / seconds(&self.chosen)?)
    }
}

/// A variant and its time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub variant: &'static str,
    /// Of one run, the least of all timings.
    pub seconds: f64,
}

/// Verifies the variants that have not been yet, then times those that passed at the networks' own shapes, for about
/// `budget` in all, and notes the fastest in `tuning`. Only training steps are timed.
///
/// # Errors
/// What the device reports, [`Error::Limit`](crate::Error::Limit) among it, and [`Error::Adapter`](crate::Error::Adapter) for
/// networks that store f16 on a device that was not opened for it. A variant that misses its bounds is none,
/// but a row that failed.
pub fn tune(
    gpu: &Gpu,
    tuning: &mut Tuning,
    networks: &[(Network, usize)],
    budget: Duration,
    report: &mut dyn FnMut(Finding<'_>),
) -> Result<()> {
    // Defaults must be the defaults, whatever was tuned before.
    let gpu = Gpu { tuning: None, ..gpu.clone() };
    let mut contests = Vec::new();
    for (network, replicas) in networks {
        let trainer = network.trainer(&Device::from(gpu.clone()), *replicas)?;
        contests.push((network, trainer.plan(&network.some_samples(network.batch())?)?));
    }
    let several = |step: &&Step| step.op.variants().len() > 1;
    let own = |plan: &'_ Plan, step: &'_ Step| (Halves::of(&step.op, &plan.tensors), step.clone());
    let steps =
        contests.iter().flat_map(|(_, plan)| train_steps(plan).iter().filter(several).map(|step| own(plan, step)));
    let steps: Vec<_> = steps.collect();
    for (halves, step) in &steps {
        verify_variants(&gpu, tuning, *halves, step, report)?;
    }
    let budget = budget / steps.len().max(1) as u32;
    for (network, plan) in &contests {
        for tuned in contest(&gpu, tuning, network, plan, budget)? {
            tuning.choose(tuned.shape.clone(), &tuned.chosen);
            report(Finding::Tuned(&tuned));
        }
    }
    Ok(())
}

/// Verifies a step's kernel family unless all of its variants have passed before.
fn verify_variants(
    gpu: &Gpu,
    tuning: &mut Tuning,
    halves: Halves,
    step: &Step,
    report: &mut dyn FnMut(Finding<'_>),
) -> Result<()> {
    let (stem, variants) = (step.operation(), step.op.variants());
    if variants.iter().all(|variant| tuning.has_passed(stem, halves, variant.name)) {
        return Ok(());
    }
    let precision = if halves == Halves::default() { Precision::F32 } else { Precision::F16 };
    report(Finding::Verifying(stem, precision));
    let (mut ran, mut failed) = (BTreeSet::new(), BTreeSet::new());
    verify_family(gpu, stem, precision, &mut |row| {
        ran.insert(row.variant.clone());
        if !row.passed() {
            failed.insert(row.variant.clone());
        }
        report(Finding::Verified(row));
    })?;
    let names = variants.iter().map(|variant| variant.name.to_owned());
    tuning.set_passed(stem, halves, names.filter(|name| ran.contains(name) && !failed.contains(name)).collect());
    Ok(())
}

/// A step's variants, side by side in one plan.
struct Contest {
    /// Where in the plan the step itself stands.
    index: usize,
    shape: String,
    variants: Vec<&'static str>,
    /// Where the first of the variants stands.
    first: usize,
}

fn train_steps(plan: &Plan) -> &[Step] {
    &plan.program(ProgramId::Train).steps
}

/// Appends each step's variants to those of training: the plan, the variants that its steps are to run in, and where they are.
/// First come the steps themselves in their defaults, so that one run of them fills every tensor as training does.
fn line_up(plan: &Plan, tuning: &Tuning) -> (Plan, Choice, Vec<Contest>) {
    let (mut steps, mut contests) = (train_steps(plan).to_vec(), Vec::<Contest>::new());
    let mut names = vec![None; steps.len()];
    for (index, step) in train_steps(plan).iter().enumerate() {
        let halves = Halves::of(&step.op, &plan.tensors);
        let Some(shape) = shape_of(&step.op, halves, plan.replicas) else { continue };
        let passed = step.op.variants().iter().map(|variant| variant.name);
        let variants: Vec<_> = passed.filter(|name| tuning.has_passed(step.operation(), halves, name)).collect();
        if variants.is_empty() || contests.iter().any(|other| other.shape == shape) {
            continue;
        }
        let first = names.len();
        names.extend(variants.iter().map(|name| Some(*name)));
        steps.extend(variants.iter().map(|_| step.clone()));
        contests.push(Contest { index, shape, variants, first });
    }
    (plan.with_steps(steps), Choice::Steps(names), contests)
}

/// Times the variants of a plan's steps, about `budget` for each step.
fn contest(gpu: &Gpu, tuning: &Tuning, network: &Network, plan: &Plan, budget: Duration) -> Result<Vec<TunedStep>> {
    let replicas = plan.replicas;
    let (all, choice, contests) = line_up(plan, tuning);
    let mut executor = GpuExecutor::with_choice(gpu.clone(), all, choice)?;
    let kernels = executor.kernels(ProgramId::Steps);
    let train = plan.program(ProgramId::Train);
    fill(&mut executor, train, &network.model(), &network.some_samples(network.batch())?)?;
    let iteration = Iteration { rows: network.batch() as u32, first: 0, slot: 0, number: 1 };
    for step in 0..train.steps.len() {
        executor.submit_step(ProgramId::Steps, step, iteration)?;
    }
    let mut tuned = Vec::new();
    for Contest { index, shape, variants, first } in contests {
        let mut run = |candidate: usize, times: usize| {
            let timing = executor.time_step(ProgramId::Steps, first + candidate, iteration, times)?;
            Ok(timing.seconds / times as f64)
        };
        let seconds = race(variants.len(), budget, &mut run)?;
        let candidates: Vec<_> =
            variants.into_iter().zip(seconds).map(|(variant, seconds)| Candidate { variant, seconds }).collect();
        let (step, default) = (kernels[index].step.clone(), kernels[index].variant.clone());
        let chosen = winner(&candidates, &default).map_or_else(|| default.clone(), Cow::from);
        tuned.push(TunedStep { network: network.to_string(), replicas, step, shape, candidates, default, chosen });
    }
    Ok(tuned)
}

/// The least seconds of a run of each of `count` candidates. Each runs twice at least; the first time, in which drivers
/// compile, does not count.
fn race(count: usize, budget: Duration, run: &mut dyn FnMut(usize, usize) -> Result<f64>) -> Result<Vec<f64>> {
    let mut seconds = Vec::new();
    for candidate in 0..count {
        run(candidate, 1)?;
        seconds.push(run(candidate, 1)?);
    }
    let fastest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let racing: Vec<usize> = (0..count).filter(|candidate| seconds[*candidate] <= HOPELESS * fastest).collect();
    // Of a single run a good part may be the submission.
    let alone = seconds.clone();
    racing.iter().for_each(|candidate| seconds[*candidate] = f64::INFINITY);
    let slice = (budget.as_secs_f64() / (f64::from(TURNS) * racing.len() as f64)).min(TIMING.as_secs_f64());
    let started = now();
    loop {
        for candidate in &racing {
            let times = (slice / alone[*candidate]).clamp(1.0, MOST) as usize;
            seconds[*candidate] = seconds[*candidate].min(run(*candidate, times)?);
        }
        if started.elapsed() >= budget {
            return Ok(seconds);
        }
    }
}

/// The fastest, unless the default is as good as that; none of none.
fn winner(candidates: &[Candidate], default: &str) -> Option<&'static str> {
    let fastest = candidates.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds))?;
    let as_good = |own: &&Candidate| own.variant == default && own.seconds <= TIE * fastest.seconds;
    Some(candidates.iter().find(as_good).unwrap_or(fastest).variant)
}

#[cfg(test)]
mod tests;
